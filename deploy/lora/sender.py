# LoRaWAN 1.0 sender with ABP keys, MicroPython on an ESP32 with an RFM95 (SX1276) on SPI, or a REYAX RYLR998 on UART 1.
# `gateway lora keys new NAME` fills it in. It then holds keys: keep it secret. Save it on the board as main.py.
import machine, os, struct, time
from cryptolib import aes

DEV_ADDR = 0x00000000
NWK_S_KEY = bytes.fromhex("00000000000000000000000000000000")
APP_S_KEY = bytes.fromhex("00000000000000000000000000000000")
RADIO = "rfm95"  # or "reyax", set to the same band, parameter and network id as the receiver
FREQUENCY, SF, SYNC_WORD = 923200000, 9, 0x12  # 0x34 where a LoRaWAN concentrator listens
PORT, EVERY_S = 1, 300
def measure():
    return 2.0, 3.6  # put your instrument here: metres to the water, volts of the battery
def payload(distance_m, battery_v):  # Cayenne LPP: channel 1 distance in mm, channel 2 voltage in 0.01 V
    return struct.pack(">BBIBBH", 1, 0x82, round(distance_m * 1000), 2, 0x74, round(battery_v * 100))
def xor(one, other):
    return bytes(a ^ b for a, b in zip(one, other))
def double(block):
    number = int.from_bytes(block, "big") << 1
    return ((number & ((1 << 128) - 1)) ^ (0x87 if number >> 128 else 0)).to_bytes(16, "big")

def cmac(key, data):  # RFC 4493
    last = double(aes(key, 1).encrypt(bytes(16)))
    if not data or len(data) % 16:
        last, data = double(last), data + b"\x80" + bytes(-(len(data) + 1) % 16)
    code = bytes(16)
    for at in range(0, len(data), 16):
        block = data[at : at + 16] if at + 16 < len(data) else xor(data[at:], last)
        code = aes(key, 1).encrypt(xor(code, block))
    return code

def uplink(counter, data):
    block = lambda kind, end: struct.pack("<BIBIIBB", kind, 0, 0, DEV_ADDR, counter, 0, end)
    parts = [xor(data[at : at + 16], aes(APP_S_KEY, 1).encrypt(block(1, at // 16 + 1))) for at in range(0, len(data), 16)]
    message = struct.pack("<BIBHB", 0x40, DEV_ADDR, 0, counter & 0xFFFF, PORT) + b"".join(parts)
    return message + cmac(NWK_S_KEY, block(0x49, len(message)) + message)[:4]

def next_counter():  # each is used once, whatever happens to the power: it is kept before it is sent
    counter = 0
    if "counter" in os.listdir():
        with open("counter") as file: counter = int(file.read())
    with open("counter.new", "w") as file: file.write(str(counter + 1))
    os.rename("counter.new", "counter")
    return counter

def send(frame):
    if RADIO == "reyax":  # its packets are text
        text = "".join("%02X" % byte for byte in frame)
        return machine.UART(1, 115200, tx=17, rx=16).write("AT+SEND=0,%d,%s\r\n" % (len(text), text))
    spi, select = machine.SPI(1, 5000000, sck=machine.Pin(5), mosi=machine.Pin(27), miso=machine.Pin(19)), machine.Pin(18, 1)
    def put(register, *values):
        select(0), spi.write(bytes([register | 0x80, *values])), select(1)
    for values in ((1, 0x80), (1, 0x81), (6, *(int(FREQUENCY * 524288 / 32e6)).to_bytes(3, "big")), (9, 0x8C), (0x0D, 0), (0x0E, 0),
                   (0x1D, 0x72), (0x1E, SF << 4 | 4), (0x20, 0, 12), (0x22, len(frame)), (0x26, 4), (0x39, SYNC_WORD), (0, *frame), (1, 0x83)):
        put(*values)
    time.sleep(1)  # longer than any packet that the rules allow
    put(1, 0x80)

send(uplink(next_counter(), payload(*measure())))
machine.deepsleep(EVERY_S * 1000)
