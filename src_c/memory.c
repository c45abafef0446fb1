#include <stdlib.h>

#include "internal.h"

/* The allocation lies in front of the aligned address, in the last bytes before it. */
static uint8_t *buffer_allocate(size_t len)
{
    uint8_t *const memory = len > SIZE_MAX - 64 - sizeof(void *) ? NULL : malloc(len + 64 + sizeof(void *));
    if (memory == NULL)
        return NULL;
    uint8_t *const aligned = fuota_align(memory + sizeof(void *));
    memcpy(aligned - sizeof(void *), &memory, sizeof(void *));
    return aligned;
}

void fuota_buffer_free(fuota_buffer *buffer)
{
    if (buffer->memory != NULL) {
        void *memory;
        memcpy(&memory, buffer->memory - sizeof(void *), sizeof(void *));
        free(memory);
    }
    buffer->memory = NULL;
    buffer->capacity = 0;
}

uint8_t *fuota_buffer_grow(fuota_buffer *buffer, size_t used, size_t len)
{
    assert(used <= len && (used == 0 || used <= buffer->capacity));
    if (buffer->memory != NULL && len <= buffer->capacity)
        return buffer->memory;
    fuota_buffer grown = {buffer_allocate(len), len};
    if (grown.memory == NULL)
        return NULL;
    if (used != 0)
        memcpy(grown.memory, buffer->memory, used);
    fuota_buffer_free(buffer);
    *buffer = grown;
    return grown.memory;
}

uint8_t *fuota_buffer_reserve(fuota_buffer *buffer, size_t len) { return fuota_buffer_grow(buffer, 0, len); }
