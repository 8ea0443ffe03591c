"""Subcommands of `holdfast` that need nothing but the client: `explain` for who asks, `rules` for operators."""
