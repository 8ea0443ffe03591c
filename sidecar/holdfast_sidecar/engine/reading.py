"""GetBalance and ListHolds: figures, changing nothing."""

from itertools import islice

from holdfast_sidecar.engine.amounts import ms_until
from holdfast_sidecar.engine.deciding import Deciding, Wait
from holdfast_sidecar.engine.operations import GetBalance, ListHolds, Result
from holdfast_sidecar.engine.rights import allowance_left, available, posted, rights_left


class Reading(Deciding):
    """Answers with what is."""

    def _get_balance(self, op: GetBalance) -> Result | Wait:
        pool = self._accounts.pool((op.account_id, op.pool_id))
        if pool is None:
            return self._unseen_fault(op.account_id, op.pool_id)
        return self._answers.balance(
            pool,
            posted(pool),
            available(pool),
            rights_left(pool),
            ms_until(self._changes.meta.lease_valid_until_ns, self._now_ns),
            max(0, allowance_left(pool)),
            ms_until(self._changes.meta.allowance_valid_until_ns, self._now_ns),
            self.mode(pool.partition_after_ms),
        )

    def _list_holds(self, op: ListHolds) -> Result | Wait:
        account = self._accounts.by_id.get(op.account_id)
        holds = account.holds.values() if account is not None else ()
        wanted = (hold for hold in holds if hold.sequence > op.after_sequence and op.pool_id in ("", hold.pool.pool_id))
        page = list(islice(wanted, op.page_size + 1))
        token = str(page[op.page_size - 1].sequence) if len(page) > op.page_size else ""
        return self._answers.holds(page[: op.page_size], self._now_ns, token)
