"""What may be used of one limit: of a budget in a period, of a shared concurrency limit, of a shared rate limit.

A window is leased as a pool is (`leasing`), and counted when debits are posted (`posting`). Here is what is its alone.
"""
