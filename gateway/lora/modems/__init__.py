"""Raw LoRa modems on serial lines: what they say, and how they are set up. No clock, no I/O.

events.py   what a modem tells: packets, refused lines, answers
talk.py     the dialogue that all text modems share: set up, verify, listen, begin again after a reset
lines.py    RAKwireless, Microchip RN2483, RFM2Pi: one event a line
reyax.py    REYAX RYLR896 and RYLR998: packets with a length field
ebyte.py    Ebyte E32, E22, E220: registers, and packets without any framing
kinds.py    which modem has which reader, dialogue and line
"""
