// Stand-ins for the libraries of an ESP32, so that the sender can be compiled and its frames seen on any machine.
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct SpiStandIn {
  void begin(int, int, int, int) {}
} SPI;

struct LoRaStandIn {
  void setPins(int, int, int) {}
  int begin(long frequency) { return frequency == 923200000; }
  void setSpreadingFactor(int sf) { printf("sf %d\n", sf); }
  void setSyncWord(int word) { printf("sync %d\n", word); }
  void setPreambleLength(long) {}
  void enableCrc() { printf("crc\n"); }
  void setTxPower(int) {}
  void beginPacket() { printf("frame "); }
  void write(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) printf("%02x", bytes[i]);
  }
  void endPacket() { printf("\n"); }
  void sleep() {}
} LoRa;

inline void esp_sleep_enable_timer_wakeup(uint64_t us) { printf("sleep %llu\n", (unsigned long long)us); }
inline void esp_deep_sleep_start() {}
