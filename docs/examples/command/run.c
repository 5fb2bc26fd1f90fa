/* A command for tinyedge around C without runtime or library: here what BakeNN makes of a model.
 * MODEL_SHA256 is that of the model file, 64 hex digits. docs/command.md says how to build and run it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bknn_model.h"

struct header { /* of both files: little endian, like the machines that this is for */
    char magic[4];
    uint32_t version, type, images, values;
    uint8_t sha256[32];
    uint32_t call;
} header;
static _Alignas(BKNN_MODEL_ARENA_ALIGNMENT) uint8_t arena[BKNN_MODEL_ARENA_SIZE];
static int8_t image[BKNN_MODEL_INPUT_BYTES], scores[BKNN_MODEL_OUTPUT_BYTES];

static void must(int holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static uint32_t crc32(uint32_t crc, const void *data, size_t count) { /* as in zip and PNG; begins at 0 */
    crc = ~crc;
    for (const uint8_t *byte = data; count--; byte++) {
        crc ^= *byte;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static void get(FILE *file, uint32_t *crc, void *data, size_t count) {
    must(fread(data, 1, count, file) == count, "the images are cut off");
    *crc = crc32(*crc, data, count);
}

static void put(FILE *file, uint32_t *crc, const void *data, size_t count) {
    must(fwrite(data, 1, count, file) == count, "the results cannot be written");
    *crc = crc32(*crc, data, count);
}

int main(int count, char **path) { /* path[1], the model file, is compiled in; path[2] images; path[3] results */
    FILE *in = count == 4 ? fopen(path[2], "rb") : NULL, *out = in ? fopen(path[3], "wb") : NULL;
    must(in && out, "MODEL IMAGES RESULTS");
    uint32_t in_crc = 0, out_crc = 0, found, index;
    get(in, &in_crc, &header, sizeof header);
    must(!memcmp(header.magic, "TEIN", 4) && header.version == 1, "these are no images");
    must(header.type == 1 && header.values == sizeof image, "the images are of another type or size");
    for (int i = 0; i < 32; i++) {
        unsigned byte;
        sscanf(MODEL_SHA256 + 2 * i, "%2x", &byte);
        must(header.sha256[i] == byte, "the images are for another model");
    }
    memcpy(header.magic, "TEOU", 4);
    header.values = sizeof scores;
    put(out, &out_crc, &header, sizeof header);
    for (uint32_t i = 0; i < header.images; i++) {
        get(in, &in_crc, &index, sizeof index);
        get(in, &in_crc, image, sizeof image);
        bknn_model_infer(arena, image, scores);
        put(out, &out_crc, &index, sizeof index);
        put(out, &out_crc, scores, sizeof scores);
    }
    uint32_t sum = in_crc;
    get(in, &in_crc, &found, sizeof found);
    must(found == sum, "the images are damaged");
    sum = out_crc;
    put(out, &out_crc, &sum, sizeof sum);
    must(!fclose(out), "the results cannot be written");
    return 0;
}
