// LoRaWAN 1.0 sender with ABP keys, Arduino on an ESP32 with an RFM95 (SX1276): library "LoRa" by Sandeep Mistry.
// `gateway lora keys new NAME --sender arduino` fills it in. It then holds keys: keep it secret.
#include <LoRa.h>
#include <Preferences.h>
#include <mbedtls/aes.h>
const uint32_t DEV_ADDR = 0x00000000;
const char *NWK_S_KEY = "00000000000000000000000000000000", *APP_S_KEY = "00000000000000000000000000000000";
const long FREQUENCY = 923200000, SF = 9, SYNC_WORD = 0x12;  // 0x34 where a LoRaWAN concentrator listens
const uint64_t PORT = 1, EVERY_S = 300;
float measure() { return 2.0; }  // put your instrument here: metres to the water
void encrypt(const char *key, const uint8_t in[16], uint8_t out[16]) {
  uint8_t bytes[16];
  for (int i = 0; i < 16; i++) sscanf(key + 2 * i, "%2hhx", &bytes[i]);
  mbedtls_aes_context box;
  mbedtls_aes_init(&box), mbedtls_aes_setkey_enc(&box, bytes, 128);
  mbedtls_aes_crypt_ecb(&box, MBEDTLS_AES_ENCRYPT, in, out), mbedtls_aes_free(&box);
}
void twice(uint8_t b[16]) {
  uint8_t carry = b[0] >> 7 ? 0x87 : 0;
  for (int i = 0; i < 16; i++) b[i] = b[i] << 1 ^ (i < 15 ? b[i + 1] >> 7 : carry);
}
void cmac(const char *key, const uint8_t *data, size_t size, uint8_t code[16]) {  // RFC 4493; size is not 0
  uint8_t last[16] = {0};
  encrypt(key, last, last), twice(last), memset(code, 0, 16);
  if (size % 16) twice(last);
  for (size_t at = 0; at < size; at++) {
    code[at % 16] ^= data[at];
    if (at % 16 == 15 && at + 1 < size) encrypt(key, code, code);
  }
  if (size % 16) code[size % 16] ^= 0x80;
  for (int i = 0; i < 16; i++) code[i] ^= last[i];
  encrypt(key, code, code);
}
void block(uint8_t b[16], uint8_t kind, uint32_t counter, uint8_t end) {
  memset(b, 0, 16), b[0] = kind, memcpy(b + 6, &DEV_ADDR, 4), memcpy(b + 10, &counter, 4), b[15] = end;
}
size_t uplink(uint32_t counter, const uint8_t *data, size_t size, uint8_t *out) {  // out: 16 bytes more than the frame
  uint8_t *frame = out + 16, pad[16], code[16], head[9] = {0x40, 0, 0, 0, 0, 0, (uint8_t)counter, (uint8_t)(counter >> 8), PORT};
  memcpy(head + 1, &DEV_ADDR, 4), memcpy(frame, head, 9);
  for (size_t at = 0; at < size; at++) {
    if (at % 16 == 0) block(pad, 1, counter, at / 16 + 1), encrypt(APP_S_KEY, pad, pad);
    frame[9 + at] = data[at] ^ pad[at % 16];
  }
  block(out, 0x49, counter, 9 + size), cmac(NWK_S_KEY, out, 16 + 9 + size, code);
  return memcpy(frame + 9 + size, code, 4), 9 + size + 4;
}
void setup() {
  Preferences kept; kept.begin("lora");
  uint32_t counter = kept.getUInt("counter", 0), mm = measure() * 1000;
  kept.putUInt("counter", counter + 1);  // before it is sent: each is used once, whatever happens to the power
  uint8_t lpp[] = {1, 0x82, (uint8_t)(mm >> 24), (uint8_t)(mm >> 16), (uint8_t)(mm >> 8), (uint8_t)mm}, out[64];
  size_t size = uplink(counter, lpp, sizeof lpp, out);
  SPI.begin(5, 19, 27, 18), LoRa.setPins(18, 14, 26);
  if (LoRa.begin(FREQUENCY)) {
    LoRa.setSpreadingFactor(SF), LoRa.setSyncWord(SYNC_WORD), LoRa.setPreambleLength(12), LoRa.enableCrc(), LoRa.setTxPower(14);
    LoRa.beginPacket(), LoRa.write(out + 16, size), LoRa.endPacket(), LoRa.sleep();
  }
  esp_sleep_enable_timer_wakeup(EVERY_S * 1000000), esp_deep_sleep_start();
}
void loop() {}
