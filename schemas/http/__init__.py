"""What every HTTP service of Entente shares: problems, access tokens, limits. Pure ASGI, no framework."""
