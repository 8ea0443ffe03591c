"""HTTP/JSON beside gRPC: the same services by Connect's unary protocol, and the console's files."""
