#pragma once
#include <stddef.h>
#include <stdint.h>

/* target ^= source, `bytes` long; one block or two that do not overlap. */
void xor_in_place(uint8_t *target, const uint8_t *source, size_t bytes);
