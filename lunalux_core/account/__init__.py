"""The account: who is signed in, what the wallet holds, and what an official reply was agreed to cost."""

from lunalux_core.account.account import Account
from lunalux_core.account.account_state import AccountState, official_config, restored_state

__all__ = ["Account", "AccountState", "official_config", "restored_state"]
