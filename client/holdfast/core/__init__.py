"""What both clients share and no caller imports: settings, faults, a hold's state, the session's protocol.

Nothing here does I/O or knows a runtime; `holdfast.sync` and `holdfast.aio` are the two thin shells around it.
"""
