/* One image in, one result out, until the host ends the stream.
 *
 * In: BKNN_MODEL_INPUT_BYTES int8 values, as the model takes them.
 * Out: struct result (little endian), then BKNN_MODEL_OUTPUT_BYTES int8 values. The first result answers no image: it
 * says that the firmware is up and which sizes it was built for.
 */
#include "bknn_model.h"
#include "board.h"

#define MAGIC 0x45474454u /* "TDGE" */

struct result {
    uint32_t magic;
    uint32_t sequence;     /* 0: up, then 1, 2, 3, ... */
    uint32_t input_bytes;  /* that it takes */
    uint32_t output_bytes; /* that follow */
    uint64_t ticks;        /* of the inference, by SysTick */
    uint32_t stack_bytes;  /* the deepest so far */
    uint32_t arena_bytes;
};

static int8_t image[BKNN_MODEL_INPUT_BYTES] __attribute__((aligned(8)));
static int8_t scores[BKNN_MODEL_OUTPUT_BYTES] __attribute__((aligned(8)));
#if BKNN_MODEL_ARENA_SIZE
static uint8_t arena_memory[BKNN_MODEL_ARENA_SIZE] __attribute__((aligned(BKNN_MODEL_ARENA_ALIGNMENT)));
static uint8_t *const arena = arena_memory;
#else
static uint8_t *const arena = 0;
#endif

#ifdef LAYERS /* a build that counts: the generated code calls this after every layer */
static uint64_t layer_ticks[LAYERS];

void layer_done(uint32_t layer) {
    layer_ticks[layer] = clock_ticks();
}
#endif

void tinyedge_run(void) {
    struct result result = {MAGIC, 0, sizeof image, sizeof scores, 0, 0, BKNN_MODEL_ARENA_SIZE};
    transport_open();
    for (;;) {
        result.stack_bytes = stack_used();
        transport_send(&result, sizeof result, scores, result.sequence > 0 ? sizeof scores : 0);
#ifdef LAYERS
        if (result.sequence > 0) transport_write(layer_ticks, sizeof layer_ticks);
#endif
        if (!transport_read(image, sizeof image)) return;
        clock_start();
        bknn_model_infer(arena, image, scores);
        result.ticks = clock_ticks();
        result.sequence++;
    }
}
