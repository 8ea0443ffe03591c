"""Events from object stores: listed on a schedule, each object taken in once, bad rows set aside.

Data flows `listing → unpacking → lines, parquet → shaping → checking → taking`; `worker` drives it in a process of its
own, `cli` once. What is known of each object is in the ledger's table `objects`.
"""
