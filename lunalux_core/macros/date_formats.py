"""Dates as the macros show them: moment.js format tokens and its spoken durations, English and Chinese."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from lunalux_core.language import Language


@dataclass(frozen=True, slots=True)
class _Locale:
    months: tuple[str, ...]
    months_short: tuple[str, ...]
    days: tuple[str, ...]
    days_short: tuple[str, ...]
    days_min: tuple[str, ...]
    long_forms: Mapping[str, str]
    spoken: Mapping[str, str]
    future: str
    past: str
    sunday_first: bool


_EN_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_EN_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ZH_DAYS = tuple("一二三四五六日")

_LOCALES: Mapping[Language, _Locale] = {
    "en": _Locale(
        months=_EN_MONTHS,
        months_short=tuple(month[:3] for month in _EN_MONTHS),
        days=_EN_DAYS,
        days_short=tuple(day[:3] for day in _EN_DAYS),
        days_min=tuple(day[:2] for day in _EN_DAYS),
        long_forms={
            "LTS": "h:mm:ss A",
            "LT": "h:mm A",
            "LLLL": "dddd, MMMM D, YYYY h:mm A",
            "LLL": "MMMM D, YYYY h:mm A",
            "LL": "MMMM D, YYYY",
            "L": "MM/DD/YYYY",
            "llll": "ddd, MMM D, YYYY h:mm A",
            "lll": "MMM D, YYYY h:mm A",
            "ll": "MMM D, YYYY",
            "l": "M/D/YYYY",
        },
        spoken={
            "s": "a few seconds", "m": "a minute", "mm": "%d minutes", "h": "an hour", "hh": "%d hours",
            "d": "a day", "dd": "%d days", "M": "a month", "MM": "%d months", "y": "a year", "yy": "%d years",
        },
        future="in %s",
        past="%s ago",
        sunday_first=True,
    ),
    "zh": _Locale(
        months=tuple(f"{month}月" for month in (*"一二三四五六七八九十", "十一", "十二")),
        months_short=tuple(f"{month}月" for month in range(1, 13)),
        days=tuple(f"星期{day}" for day in _ZH_DAYS),
        days_short=tuple(f"周{day}" for day in _ZH_DAYS),
        days_min=_ZH_DAYS,
        long_forms={
            "LTS": "HH:mm:ss",
            "LT": "HH:mm",
            "LLLL": "YYYY年M月D日ddddAh点mm分",
            "LLL": "YYYY年M月D日Ah点mm分",
            "LL": "YYYY年M月D日",
            "L": "YYYY/MM/DD",
            "llll": "YYYY年M月D日dddd HH:mm",
            "lll": "YYYY年M月D日 HH:mm",
            "ll": "YYYY年M月D日",
            "l": "YYYY/M/D",
        },
        spoken={
            "s": "几秒", "m": "1 分钟", "mm": "%d 分钟", "h": "1 小时", "hh": "%d 小时",
            "d": "1 天", "dd": "%d 天", "M": "1 个月", "MM": "%d 个月", "y": "1 年", "yy": "%d 年",
        },
        future="%s后",
        past="%s前",
        sunday_first=False,
    ),
}  # fmt: skip

_LONG = re.compile(r"\[[^\]]*\]|\\.|LTS|LT|L{1,4}|l{1,4}")
# The longer ones first, because the first that fits is taken.
_TOKENS = re.compile(
    r"\[[^\]]*\]|\\.|Mo|MMMM|MMM|MM|M|Qo|Q|DDDo|DDDD|DDD|Do|DD|D|do|dddd|ddd|dd|d|e|E|wo|ww|w|Wo|WW|W"
    r"|YYYYYY|YYYYY|YYYY|YY|Y|GGGG|GG|gggg|gg|A|a|HH|H|hh|h|kk|k|mm|m|ss|s|S{1,9}|ZZ|Z|X|x"
)


def format_moment(moment: datetime, pattern: str, language: Language = "en") -> str:
    """A moment in the format language of moment.js; words in brackets stay, unknown letters too."""
    locale = _LOCALES[language]

    def long_form(match: re.Match[str]) -> str:
        return locale.long_forms.get(match.group(), match.group())

    def token(match: re.Match[str]) -> str:
        text = match.group()
        if text.startswith("["):
            return text[1:-1]
        if text.startswith("\\"):
            return text[1:]
        if text.startswith("S"):
            return f"{moment.microsecond:06d}000"[: len(text)]
        return _FORMATS[text](moment, locale)

    return _TOKENS.sub(token, _LONG.sub(long_form, pattern))


def _ordinal(number: int, locale: _Locale) -> str:
    if locale is not _LOCALES["en"]:
        return str(number)
    if 10 < number % 100 < 20:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }".replace(" ", "")


def _week(moment: datetime, locale: _Locale) -> tuple[int, int]:
    """(year, week) of the locale: in English weeks begin on Sunday and week 1 holds January 1."""
    if not locale.sunday_first:
        return moment.isocalendar()[:2]
    # Week 1 holds January 1, so a week belongs to the year of its Saturday.
    saturday = moment + timedelta(days=(5 - moment.weekday()) % 7)
    return saturday.year, (saturday.timetuple().tm_yday - 1) // 7 + 1


def _offset(moment: datetime, separator: str) -> str:
    minutes = int((moment.utcoffset() or timedelta()).total_seconds() // 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{separator}{abs(minutes) % 60:02d}"


def _half_day(moment: datetime, locale: _Locale) -> str:
    if locale is _LOCALES["en"]:
        return "PM" if moment.hour >= 12 else "AM"
    clock = moment.hour * 100 + moment.minute
    steps = ((600, "凌晨"), (900, "早上"), (1130, "上午"), (1230, "中午"), (1800, "下午"))
    return next((name for limit, name in steps if clock < limit), "晚上")


_FORMATS: Mapping[str, Callable[[datetime, _Locale], str]] = {
    "M": lambda m, _: str(m.month),
    "Mo": lambda m, loc: _ordinal(m.month, loc),
    "MM": lambda m, _: f"{m.month:02d}",
    "MMM": lambda m, loc: loc.months_short[m.month - 1],
    "MMMM": lambda m, loc: loc.months[m.month - 1],
    "Q": lambda m, _: str((m.month + 2) // 3),
    "Qo": lambda m, loc: _ordinal((m.month + 2) // 3, loc),
    "D": lambda m, _: str(m.day),
    "Do": lambda m, loc: _ordinal(m.day, loc),
    "DD": lambda m, _: f"{m.day:02d}",
    "DDD": lambda m, _: str(m.timetuple().tm_yday),
    "DDDo": lambda m, loc: _ordinal(m.timetuple().tm_yday, loc),
    "DDDD": lambda m, _: f"{m.timetuple().tm_yday:03d}",
    "d": lambda m, _: str(m.isoweekday() % 7),
    "do": lambda m, loc: _ordinal(m.isoweekday() % 7, loc),
    "dd": lambda m, loc: loc.days_min[m.weekday()],
    "ddd": lambda m, loc: loc.days_short[m.weekday()],
    "dddd": lambda m, loc: loc.days[m.weekday()],
    "e": lambda m, loc: str(m.isoweekday() % 7 if loc.sunday_first else m.weekday()),
    "E": lambda m, _: str(m.isoweekday()),
    "w": lambda m, loc: str(_week(m, loc)[1]),
    "wo": lambda m, loc: _ordinal(_week(m, loc)[1], loc),
    "ww": lambda m, loc: f"{_week(m, loc)[1]:02d}",
    "W": lambda m, _: str(m.isocalendar()[1]),
    "Wo": lambda m, loc: _ordinal(m.isocalendar()[1], loc),
    "WW": lambda m, _: f"{m.isocalendar()[1]:02d}",
    "Y": lambda m, _: str(m.year),
    "YY": lambda m, _: f"{m.year % 100:02d}",
    "YYYY": lambda m, _: f"{m.year:04d}",
    "YYYYY": lambda m, _: f"{m.year:05d}",
    "YYYYYY": lambda m, _: f"+{m.year:06d}",
    "GG": lambda m, _: f"{m.isocalendar()[0] % 100:02d}",
    "GGGG": lambda m, _: f"{m.isocalendar()[0]:04d}",
    "gg": lambda m, loc: f"{_week(m, loc)[0] % 100:02d}",
    "gggg": lambda m, loc: f"{_week(m, loc)[0]:04d}",
    "A": _half_day,
    "a": lambda m, loc: _half_day(m, loc).lower(),
    "H": lambda m, _: str(m.hour),
    "HH": lambda m, _: f"{m.hour:02d}",
    "h": lambda m, _: str(m.hour % 12 or 12),
    "hh": lambda m, _: f"{m.hour % 12 or 12:02d}",
    "k": lambda m, _: str(m.hour or 24),
    "kk": lambda m, _: f"{m.hour or 24:02d}",
    "m": lambda m, _: str(m.minute),
    "mm": lambda m, _: f"{m.minute:02d}",
    "s": lambda m, _: str(m.second),
    "ss": lambda m, _: f"{m.second:02d}",
    "Z": lambda m, _: _offset(m, ":"),
    "ZZ": lambda m, _: _offset(m, ""),
    "X": lambda m, _: str(int(m.timestamp())),
    "x": lambda m, _: str(int(m.timestamp() * 1000)),
}


def at_offset(moment: datetime, hours: int) -> datetime:
    """The same moment on a clock so many hours from UTC; from 16 on they are minutes, as in moment.js."""
    minutes = hours * 60 if abs(hours) < 16 else hours
    aware = moment if moment.tzinfo else moment.astimezone()
    try:
        return aware.astimezone(timezone(timedelta(minutes=minutes)))
    except (ValueError, OverflowError):
        return aware.astimezone(UTC)


_TEXT_FORMS = ("%B %d, %Y %I:%M %p", "%B %d, %Y %H:%M", "%B %d, %Y", "%b %d, %Y", "%m/%d/%Y", "%Y/%m/%d")


def parse_moment(text: str) -> datetime | None:
    """A moment from ISO 8601 or one of the forms the time macros write, None if it is neither."""
    text = " ".join(text.split())
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for form in _TEXT_FORMS:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    return None


def difference(left: datetime, right: datetime) -> timedelta:
    """left − right, when one of the two has no time zone it is taken to be local."""
    if (left.tzinfo is None) != (right.tzinfo is None):
        left, right = left.astimezone(), right.astimezone()
    return left - right


def humanize(duration: timedelta, language: Language = "en", suffix: bool = False) -> str:
    """A duration in words, with moment.js' thresholds; `suffix` adds "in …" or "… ago"."""
    locale = _LOCALES[language]
    exact = abs(duration.total_seconds())
    seconds, minutes, hours, days = (_round(exact / unit) for unit in (1, 60, 3600, 86400))
    # The calendar repeats after 400 years, which are 4800 months or 146097 days.
    exact_months = exact / 86400 * 4800 / 146097
    months, years = _round(exact_months), _round(exact_months / 12)
    steps = (
        (seconds < 45, "s", 0), (minutes <= 1, "m", 1), (minutes < 45, "mm", minutes), (hours <= 1, "h", 1),
        (hours < 22, "hh", hours), (days <= 1, "d", 1), (days < 26, "dd", days), (months <= 1, "M", 1),
        (months < 11, "MM", months), (years <= 1, "y", 1), (True, "yy", years),
    )  # fmt: skip
    name, number = next((name, number) for fits, name, number in steps if fits)
    words = locale.spoken[name].replace("%d", str(number))
    if not suffix:
        return words
    return (locale.future if duration > timedelta() else locale.past).replace("%s", words)


def _round(value: float) -> int:
    # Halves upwards, as JavaScript does; Python's round() takes the even number.
    return int(value + 0.5)
