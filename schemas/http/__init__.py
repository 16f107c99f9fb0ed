"""What every HTTP service of Entente shares: doors, access tokens, limits, problems, and the server that listens.

Nothing here knows of what a service is for; what a request is let to see, each decides in its own `api/`.
"""
