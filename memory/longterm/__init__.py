"""Long-term memory: what is known of its owner, found again by meaning and by words.

The rows in the chat database are the truth (`memories`). What finds them is made from them and can be made again at
any time: vectors in Chroma (`vectors`) and an index of words in this process (`words`).
"""
