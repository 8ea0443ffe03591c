"""The central service: keeps the money, hands rights to the sidecars, posts what they spent.

Along the flow: `sync` (the streams of the sidecars) → `posting` (debits burn grants) and `leasing` (rights) →
`store` (rows and transactions). `service` answers operators and back ends; `bootstrap` puts it all together.
"""
