// A stand-in: the counter comes from the environment, and what is kept is printed.
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct Preferences {
  void begin(const char *) {}
  uint32_t getUInt(const char *, uint32_t) { return strtoul(getenv("COUNTER"), nullptr, 10); }
  void putUInt(const char *, uint32_t value) { printf("kept %u\n", value); }
};
