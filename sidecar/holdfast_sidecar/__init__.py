"""The sidecar: decides on its host, in memory, whether a request may spend.

Data flows one way: transport → dispatcher → engine → store → uplink.
"""
