// A stand-in for mbedtls, which an ESP32 has: AES-128 encryption of one block, FIPS 197, with the S-box computed.
#pragma once
#include <stdint.h>
#include <string.h>
#define MBEDTLS_AES_ENCRYPT 1

struct mbedtls_aes_context {
  uint8_t keys[176];
};

static uint8_t aes_double(uint8_t x) { return x << 1 ^ (x & 0x80 ? 0x1b : 0); }

static uint8_t aes_product(uint8_t a, uint8_t b) {
  uint8_t sum = 0;
  for (; b; b >>= 1, a = aes_double(a))
    if (b & 1) sum ^= a;
  return sum;
}

static uint8_t aes_box(uint8_t x) {
  uint8_t inverse = x ? 1 : 0;
  for (int i = 0; x && i < 254; i++) inverse = aes_product(inverse, x);
  uint8_t made = 0x63;
  for (int i = 0; i < 5; i++) made ^= inverse << i | inverse >> (8 - i);
  return made;
}

inline void mbedtls_aes_init(mbedtls_aes_context *box) { memset(box, 0, sizeof *box); }
inline void mbedtls_aes_free(mbedtls_aes_context *) {}

inline int mbedtls_aes_setkey_enc(mbedtls_aes_context *box, const uint8_t *key, unsigned) {
  memcpy(box->keys, key, 16);
  uint8_t round = 1;
  for (int at = 16; at < 176; at += 4) {
    uint8_t word[4];
    memcpy(word, box->keys + at - 4, 4);
    if (at % 16 == 0) {
      uint8_t first = word[0];
      for (int i = 0; i < 4; i++) word[i] = aes_box(i < 3 ? word[i + 1] : first);
      word[0] ^= round, round = aes_double(round);
    }
    for (int i = 0; i < 4; i++) box->keys[at + i] = box->keys[at + i - 16] ^ word[i];
  }
  return 0;
}

inline int mbedtls_aes_crypt_ecb(mbedtls_aes_context *box, int, const uint8_t *in, uint8_t *out) {
  uint8_t state[16], moved[16];
  for (int i = 0; i < 16; i++) state[i] = in[i] ^ box->keys[i];
  for (int round = 1; round <= 10; round++) {
    for (int i = 0; i < 16; i++) moved[i] = aes_box(state[(i + 4 * (i % 4)) % 16]);
    for (int i = 0; i < 16; i++) {
      int column = i & ~3;
      uint8_t a = moved[i], b = moved[column + (i + 1) % 4], c = moved[column + (i + 2) % 4], d = moved[column + (i + 3) % 4];
      state[i] = (round < 10 ? aes_double(a) ^ aes_double(b) ^ b ^ c ^ d : a) ^ box->keys[16 * round + i];
    }
  }
  memcpy(out, state, 16);
  return 0;
}
