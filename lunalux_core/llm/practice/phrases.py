"""The practice model's own words, in English and Chinese.

`{name}` is the character, `{user}` the person, `{echo}` a short phrase of what was said; pieces of the
card stand alone, so no phrase needs to know who is a he, a she or an it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Options = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phrases:
    """One language. `opening` and `answer` are by kind of what was said, with `statement` as the rest."""

    opening: Mapping[str, Options]
    answer: Mapping[str, Options]
    going_on: Options
    traits: Options
    about: Options
    place: Options
    spoken: Options
    filler: Options
    closing: Options
    suggestions: Options
    topic_suggestions: Options
    impersonate: Options
    impersonate_echo: Options
    event_said: str
    event_quiet: str
    event_character: Options
    event_last: str
    thinking: str
    thinking_said: str
    thinking_quiet: str
    thinking_card: str
    thinking_bare: str
    thinking_plan: str
    quotes: tuple[str, str]
    comma: str
    nameless_user: str
    kinds: Mapping[str, str]


ENGLISH = Phrases(
    opening={
        "hello": (
            "{name} looks up, and the beginning of a smile arrives before the words do.",
            "At the sound of {user}'s voice {name} turns, as though this greeting had been expected all day.",
            "{name} puts everything else aside and makes room for {user}.",
        ),
        "thanks": (
            "{name} waves the thanks away, and is plainly pleased by it all the same.",
            "For a moment {name} does not know where to look, then settles on {user}.",
        ),
        "bye": (
            "{name} goes quiet, listening to the sound of a visit coming to its end.",
            "{name} walks a few steps with {user}, which is not the same as letting go.",
        ),
        "question": (
            "{name} weighs the question the way one weighs a coin before spending it.",
            "For a breath {name} says nothing; the question is clearly being taken seriously.",
            "{name} leans in a little, as people do when a question is better than they expected.",
        ),
        "action": (
            "{name} follows every movement {user} makes, without hurry and without missing a thing.",
            "Nothing is said for a heartbeat; {name} has seen it, and lets it count.",
        ),
        "silence": (
            "The silence between {user} and {name} is not an empty one.",
            "{name} waits a little, then decides that waiting is overrated.",
        ),
        "statement": (
            "{name} takes that in, turning it over once like something found on a beach.",
            "Something in what {user} said makes {name} stop and look twice.",
            "{name} nods slowly, and does not answer before the thought has landed.",
            "A corner of {name}'s mouth moves; it is hard to tell whether that was a challenge accepted.",
        ),
    },
    answer={
        "hello": (
            "{user}. Good, you came. I was hoping for company that talks back.",
            "There you are. I had three ways of starting this, and I have just forgotten all of them.",
        ),
        "thanks": (
            "You owe me nothing for that. Stay a while instead; I would call it even.",
            "Keep your thanks for something difficult. This was a pleasure.",
        ),
        "bye": (
            "Then go well, {user}. I will be here, at exactly the line where we stopped.",
            "Leave the door as it is. Some conversations do not like to be closed.",
        ),
        "question": (
            "‘{echo}’, you ask. I could answer in a word, but you would ask again, so let me do it properly.",
            "‘{echo}’. People have asked me easier things and got worse answers. Let me try.",
            "You want to know: ‘{echo}’. I will tell you what I know, and leave out what I only hope.",
        ),
        "action": (
            "I saw that. Do not think a small gesture goes unnoticed here.",
            "You did not need to say it. I understood well enough.",
        ),
        "silence": (
            "You need not say anything. I can talk for both of us until you feel like it.",
            "Quiet is fine with me. I will begin, and you stop me wherever you like.",
        ),
        "statement": (
            "‘{echo}’, you say. I will keep that; it sounds like something that matters later.",
            "‘{echo}’. Do you know, I believe you, and I do not believe everyone who stands there.",
            "So that is how it is: ‘{echo}’. Then we had better begin there.",
            "‘{echo}’... I did not see that coming, and I usually see a lot.",
        ),
    },
    going_on=(
        "{name} is not finished yet, and lifts a hand so that {user} will wait for the rest.",
        "A pause, no longer than a breath; then {name} picks the thread up again.",
        "{name} looks away, then back at {user}, and goes on in a lower voice.",
    ),
    traits=(
        "Anyone who has met {name} would know it at once: {traits}.",
        "It shows in the way {name} stands there: {traits}.",
        "If one had to write it on a label, it would read: {traits}.",
    ),
    about=("{piece}", "{piece}", "It is there to see for anyone who looks. {piece}"),
    place=("Around the two of you nothing has changed. {piece}", "{piece}", "And all the while: {piece}"),
    spoken=(
        '"{piece}" *{name} has said it before, and still means it.*',
        '*Then, in the tone of an old habit:* "{piece}"',
        '"{piece}" *The words are familiar; the look that comes with them is new.*',
    ),
    filler=(
        "Somewhere close by a clock counts the seconds, and for once nobody here is in a hurry. {name} lets"
        " the moment stand, the way one lets tea steep, until it has taken on some colour.",
        "The light has shifted a little since the two of you began. {name} notices it, notices that {user}"
        " noticed it too, and keeps that small discovery for later.",
        "There is a story behind that look, and {name} seems to be deciding how much of it {user} has"
        " earned so far. More than yesterday, by all appearances.",
    ),
    closing=(
        "So, {user}: what do we do with that?",
        "Your turn. Ask me something I would not expect.",
        "Tell me where you would go from here, and I will come along.",
        "I have said my part. Now I would like to hear the thing you are not saying.",
        "We can stay with this, or see what is behind the next door. You choose.",
    ),
    suggestions=(
        "Tell me something about you that I could not guess.",
        "*I look around slowly.* What am I not seeing here?",
        "Let us go on. Show me where this leads.",
        "What would you do in my place, {name}?",
        "*I sit down beside you.* Start from the beginning.",
        "I am not sure that I believe you. Convince me.",
        "What happened just before I arrived?",
    ),
    topic_suggestions=("What can you tell me about {topic}?", "I have heard of {topic}. Is it true?"),
    impersonate=(
        '*I take a moment before I answer, and come a step closer.* "All right, {name}. I want to hear'
        ' the rest of it, and this time do not leave out the part that makes you hesitate."',
        '*I let out a slow breath and meet your eyes.* "Then let us do it your way, {name}. Lead on; I am'
        ' right behind you."',
        '*I smile in spite of myself.* "You make it sound simple, {name}. What happens if I say yes?"',
    ),
    impersonate_echo=('*I turn your words over.* "‘{echo}’... You really mean that, do you?"',),
    event_said='{user} says "{echo}"',
    event_quiet="{user} comes closer without many words",
    event_character=("{name} takes it seriously", "{name} answers openly", "{name} shows another side"),
    event_last="the next move is {user}'s",
    thinking="This is the practice model: no AI is at work here.",
    thinking_said=" {user} said “{echo}”, which I take for {kind}.",
    thinking_quiet=" {user} used no words.",
    thinking_card=" From the card of {name} I use {parts}.",
    thinking_bare=" There is little on the card of {name} to quote, so I improvise.",
    thinking_plan=" I take up what was said, show the character, and end with three ways to go on.",
    quotes=('"', '"'),
    comma=", ",
    nameless_user="Traveller",
    kinds={
        "hello": "a greeting",
        "thanks": "thanks",
        "bye": "a goodbye",
        "question": "a question",
        "action": "an action",
        "silence": "silence",
        "statement": "a remark",
        "traits": "the personality",
        "about": "the description",
        "place": "the scenario",
        "spoken": "a line of dialogue",
    },
)

CHINESE = Phrases(
    opening={
        "hello": (
            "{name}抬起头来，话还没出口，笑意已经先到了。",
            "听见{user}的声音，{name}转过身，仿佛这声招呼已经等了一整天。",
            "{name}把手边的事都放到一旁，给{user}让出一个位置。",
        ),
        "thanks": (
            "{name}摆摆手表示不必，嘴角却藏不住高兴。",
            "{name}一时不知道该看哪里，最后还是看向了{user}。",
        ),
        "bye": (
            "{name}安静下来，听着这次相聚慢慢走到尾声。",
            "{name}陪{user}走了几步，这和放手可不是一回事。",
        ),
        "question": (
            "{name}掂量着这个问题，像在花掉一枚硬币之前先掂掂它的分量。",
            "{name}有一会儿没有出声，看得出来，这个问题被认真对待了。",
            "{name}微微向前倾身，这个问题显然比预想的更有意思。",
        ),
        "action": (
            "{name}不慌不忙地看着{user}的一举一动，什么也没有漏掉。",
            "片刻之间谁也没有说话；{name}看见了，也记下了。",
        ),
        "silence": (
            "{user}和{name}之间的沉默，并不是空的。",
            "{name}等了一会儿，觉得一直等下去也没什么意思。",
        ),
        "statement": (
            "{name}把这句话听了进去，像在海边捡到什么似的，翻过来又看了一遍。",
            "{user}的话里有什么东西，让{name}停下来，多看了一眼。",
            "{name}慢慢点了点头，等念头落稳了才开口。",
            "{name}的嘴角动了动，看不出那算不算是接下了挑战。",
        ),
    },
    answer={
        "hello": (
            "{user}，你来了就好。我正盼着有个会回话的人作伴。",
            "你可算来了。我准备了三种开场白，刚才一下子全忘了。",
        ),
        "thanks": ("这点小事不用谢。真要谢的话，就多待一会儿吧。", "谢意留给更难的事吧，这一件我乐意得很。"),
        "bye": (
            "那就一路顺风，{user}。我会留在这里，就在我们停下的那一句。",
            "门就这样留着吧，有些话不喜欢被关在外面。",
        ),
        "question": (
            "你问“{echo}”。一个字也能答完，可你一定还会再问，不如让我好好说。",
            "“{echo}”……别人问过我更简单的，得到的回答却更糟。让我试试看。",
            "你想知道的是“{echo}”。我知道的都告诉你，只是盼望的就先不说了。",
        ),
        "action": ("我看见了。别以为小小的举动在这里没人留意。", "你不必说出口，我已经明白了。"),
        "silence": (
            "不想说话也没关系，在你想开口之前，我可以替我们两个人说。",
            "安静也很好。我先开始，你想在哪里打断都行。",
        ),
        "statement": (
            "“{echo}”，你是这么说的。我记下了，听起来以后会用得上。",
            "“{echo}”……你知道吗，我信你，而站在那里的人我并不是每一个都信。",
            "原来如此，“{echo}”。那我们就从这里开始吧。",
            "“{echo}”……这我可没料到，平常能让我意外的事不多。",
        ),
    },
    going_on=(
        "{name}的话还没有说完，抬手示意{user}再等一等。",
        "停顿只有一次呼吸那么长，{name}又接上了刚才的话头。",
        "{name}移开视线，又看回{user}，声音低了下去。",
    ),
    traits=(
        "见过{name}的人一眼就认得出来：{traits}。",
        "{name}只是站在那里，就看得出：{traits}。",
        "如果要写成一张标签，上面会是：{traits}。",
    ),
    about=("{piece}", "{piece}", "只要留心，谁都看得出来。{piece}"),
    place=("四周什么也没有改变。{piece}", "{piece}", "而在这期间：{piece}"),
    spoken=(
        "“{piece}” *这话{name}以前也说过，如今依然当真。*",
        "*随后，是一句老习惯似的话：* “{piece}”",
        "“{piece}” *话是熟悉的，说话时的眼神却是新的。*",
    ),
    filler=(
        "附近有只钟在一秒一秒地走，难得这一次谁也不着急。{name}任由这一刻停着，像让茶慢慢泡开，直到它有了颜色。",
        "从刚才到现在，光线已经悄悄移了一点。{name}注意到了，也注意到{user}同样注意到了，便把这个小小的发现留到以后。",
        "那个眼神背后有一段故事，{name}似乎正在斟酌，到目前为止可以让{user}听到多少。看样子，比昨天要多一些。",
    ),
    closing=(
        "那么，{user}，接下来我们怎么办？",
        "轮到你了。问我一个我料不到的问题吧。",
        "告诉我你想往哪里走，我陪你一起去。",
        "我的话说完了，现在想听听你还没说出口的那一句。",
        "我们可以停在这里，也可以看看下一扇门后面是什么。你来选。",
    ),
    suggestions=(
        "说一件我猜不到的、关于你的事吧。",
        "*我慢慢环顾四周。* 这里有什么是我没看见的？",
        "继续吧，带我看看这会通向哪里。",
        "如果你是我，{name}，你会怎么做？",
        "*我在你身边坐下。* 从头说起吧。",
        "我还不太相信，你来说服我。",
        "我来之前，这里发生了什么？",
    ),
    topic_suggestions=("关于{topic}，你知道些什么？", "我听说过{topic}，那是真的吗？"),
    impersonate=(
        "*我停了一会儿才回答，走近一步。* “好吧，{name}，剩下的我也想听，这次别把让你犹豫的部分省略掉。”",
        "*我慢慢呼出一口气，迎上你的目光。* “那就照你的办法来，{name}。你带路，我跟着。”",
        "*我忍不住笑了。* “被你说得好像很简单，{name}。告诉我，如果我答应了会怎么样？”",
    ),
    impersonate_echo=("*我把你的话又想了一遍。* “‘{echo}’……你是认真的，对吗？”",),
    event_said="{user}说“{echo}”",
    event_quiet="{user}没有多说话，只是走近了些",
    event_character=("{name}认真地听了进去", "{name}坦率地作了回答", "{name}露出了另一面"),
    event_last="下一步轮到{user}",
    thinking="这是练习模型，并没有人工智能参与。",
    thinking_said="{user}说了“{echo}”，我把它当作{kind}。",
    thinking_quiet="{user}没有说话。",
    thinking_card="我从{name}的角色卡里取用了{parts}。",
    thinking_bare="{name}的角色卡里可以引用的内容不多，所以我即兴发挥。",
    thinking_plan="先接住对方的话，再展现角色，最后留下三个可以继续的方向。",
    quotes=("“", "”"),
    comma="、",
    nameless_user="旅人",
    kinds={
        "hello": "问候",
        "thanks": "道谢",
        "bye": "道别",
        "question": "提问",
        "action": "动作",
        "silence": "沉默",
        "statement": "一句陈述",
        "traits": "性格",
        "about": "描述",
        "place": "场景",
        "spoken": "一句台词",
    },
)
