"""Values spoken from pieces: numbers, dates, times and money as sequences of shipped prompts.

`say.py` is the door; `values.py` reads what flows carry as text; `zh.py` and `en.py` know how each
language says it; `sound.py` cuts a piece's audio so that a row of them does not drag. What each
piece says stands in `ivr_prompts/pieces.toml`. Pure but for the audio: no disk, no clock.

Names of pieces: `n_7` a number, `n_7_p` a digit with the short pause that ends a group, `o_7` an
ordinal, `w_…` a word. One piece may exist in one language only.
"""
