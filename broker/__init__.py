"""The broker: it decides on signed labels who gets which ciphertext, and proves every decision.

It never holds a key that opens content: it cannot import `agencies`, where the code that opens lives.
Read in this order: admission, decide, release, lane, step, shard.
"""
