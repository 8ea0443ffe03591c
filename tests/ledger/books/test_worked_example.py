"""A textbook example, worked by hand: three months of prepaid credits, to the cent."""

from holdfast_ledger.books.policy import Breakage, Policy, Promotional

from tests.ledger.books.setting import close, go_to, lines, ms, set_policy
from tests.ledger.harness import Books, debit

# The 1st of February 2027: the clock of these tests begins in January.
#
# A company sells 1,000 credits for 100.00 USD (grant "p", no end), 300 credits for 40.00 USD that expire on 10 March
# (grant "q", burns first since it expires sooner), and gives away 50 (grant "w", burns before both).
#
# February  debit of 250: 50 of w, 200 of q
# March     on the 10th 100 of q expire; debit of 400 of p; 100 of it are corrected
# April     p is voided: 700 are left, 70.00 are not earned, 60.00 are paid back
TABLE = """
period  currency opening granted recognised breakage refunded closing contra
202702  USD            0   14000       2666        0        0   11334      0
202703  USD        11334       0       3000     1334        0    7000      0
202704  USD         7000       0          0     1000     6000       0      0
"""
# q: 200 of 300 at 40.00 are 26.666… -> 26.66; the last 100 are what is left of the 40.00: 13.34.


def story(books: Books) -> None:
    """Posts the example."""
    go_to(books, "2027-02-01T09:00")
    books.open_pool()
    books.hello()
    books.grant("p", 1_000, cost_amount=100_00, cost_currency="USD")
    books.grant("q", 300, cost_amount=40_00, cost_currency="USD", expires_at_ms=ms("2027-03-10"))
    books.grant("w", 50, category=1)
    go_to(books, "2027-02-12")
    books.post(debit(1, 250))
    go_to(books, "2027-03-11")
    books.sweep()
    books.post(debit(2, 400))
    go_to(books, "2027-03-20")
    books.correct("op-2", 100)
    go_to(books, "2027-04-02")
    books.void("p", refunded_amount=60_00)
    go_to(books, "2027-05-01")


def table(books: Books) -> list[list[str]]:
    """The roll-forward of the example, in the form of `TABLE`."""
    return [
        [str(x) for x in (line.period, line.currency, *line[4:11])]
        for line in lines(books, 202702, 202704)
        if line.kind == 1
    ]


def test_three_months_by_hand(books: Books) -> None:
    story(books)
    assert table(books) == [line.split() for line in TABLE.split("\n")[2:-1]]


def test_the_same_when_months_are_closed_as_they_end(books: Books) -> None:
    go_to(books, "2027-02-01T09:00")
    story(books)
    expected = table(books)
    close(books, 202702)
    assert table(books) == expected
    close(books, 202704)
    assert table(books) == expected


def test_promotional_credits_are_told_in_credits(books: Books) -> None:
    story(books)
    told = [line for line in lines(books, 202701, 202704) if line.kind == 2]
    assert [(x.period, x.product, x.currency, x.granted, x.recognised, x.breakage) for x in told] == [
        (202702, "general", "credits", 50, 50, 0)
    ]


def test_as_contra_revenue_they_lower_it_at_their_price(books: Books) -> None:
    """50 credits at 0.07 USD for 1: 3.50; nothing of it is deferred."""
    story(books)
    before = lines(books, 202702, 202704)
    set_policy(books, Policy(Breakage.AT_EXPIRY, 0, Promotional.CONTRA_REVENUE, 7, 1, "USD"))
    after = lines(books, 202702, 202704)
    assert [x.contra for x in after if x.kind == 1] == [350, 0, 0]
    assert [x._replace(contra=0) for x in after] == before


def test_estimated_breakage_goes_with_what_is_burned(books: Books) -> None:
    """Of p, 20 % are expected never to be used: each 4 credits burned make a fifth one breakage.

    March: 300 burned are 30.00 recognised and 30.00 * 20/80 = 7.50 breakage. April: 70.00 - 7.50 = 62.50 are deferred,
    60.00 are paid back, 2.50 are breakage. Of q: 26.66 recognised and 6.66 breakage in February, 6.68 in March.
    """
    story(books)
    set_policy(books, Policy(Breakage.ESTIMATE, 2_000))
    found = [(x.recognised, x.breakage, x.refunded, x.closing) for x in lines(books, 202702, 202704) if x.kind == 1]
    assert found == [(26_66, 6_66, 0, 106_68), (30_00, 7_50 + 6_68, 0, 62_50), (0, 2_50, 60_00, 0)]
