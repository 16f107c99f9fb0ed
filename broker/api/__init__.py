"""The broker API: decisions, ledgers and proofs over HTTP, for those who may see them. It holds no key that signs."""
