/* A transport over a serial line: frames with a checksum, so that noise can cost time but never change an answer.
 *
 * A frame on the line: 0, struct header and what follows it in COBS (which leaves no other 0), 0. After noise the next
 * 0 is a new start. COBS: Cheshire and Baker, https://doi.org/10.1109/90.769765. All numbers are little endian.
 *
 * The host asks, waits, and asks again where no answer comes; this side only answers:
 *   OPEN    a session starts                            -> HELLO: what the firmware is
 *   IMAGE   of this session                             -> RESULT, with the image's own number and checksum
 *   IMAGE   once more: the answer got lost              -> the same RESULT, from memory
 *   IMAGE   of a session that this start does not know  -> HELLO: it tells the host of a reset
 *   anything that is no whole frame                     -> AGAIN
 */
#include "board.h"
#include "model_facts.h" /* MODEL_ID, MODEL_KERNELS */

enum { OPEN = 1, IMAGE = 2, HELLO = 0x81, RESULT = 0x82, AGAIN = 0x83 };
enum { PROTOCOL = 1, BLOCK = 254 };

struct header {
    uint32_t checksum; /* CRC-32 of all that follows */
    uint32_t kind;
    uint32_t session;  /* the host's number for it; 0 before the first */
    uint32_t sequence; /* the image's number in the session, from 1 */
    uint32_t image;    /* its CRC-32 */
    uint32_t length;   /* bytes after this */
};

struct part {
    const void *bytes;
    uint32_t length;
};

static const uint8_t model_id[16] = MODEL_ID;
static const char kernels[] = MODEL_KERNELS;
static uint32_t session, sequence, image_checksum;
static struct part result, scores;
static uint8_t block[BLOCK];
static uint32_t filled;

static uint32_t crc32(uint32_t crc, const void *bytes, uint32_t length) {
    crc = ~crc;
    for (const uint8_t *at = bytes; length > 0; length--) {
        crc ^= *at++;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static void end_block(void) {
    uart_put((uint8_t)(filled + 1));
    for (uint32_t i = 0; i < filled; i++) uart_put(block[i]);
    filled = 0;
}

static void put(const void *bytes, uint32_t length) {
    for (const uint8_t *at = bytes; length > 0; length--, at++) {
        if (*at != 0) block[filled++] = *at;
        if (*at == 0 || filled == BLOCK) end_block();
    }
}

static void send(uint32_t kind, const struct part *parts, int count) {
    struct header header = {0, kind, session, sequence, image_checksum, 0};
    for (int i = 0; i < count; i++) header.length += parts[i].length;
    uint32_t crc = crc32(0, &header.kind, sizeof header - sizeof header.checksum);
    for (int i = 0; i < count; i++) crc = crc32(crc, parts[i].bytes, parts[i].length);
    header.checksum = crc;
    uart_put(0);
    put(&header, sizeof header);
    for (int i = 0; i < count; i++) put(parts[i].bytes, parts[i].length);
    end_block();
    uart_put(0);
}

static void send_hello(void) {
    const uint32_t facts[2] = {PROTOCOL, clock_hz()};
    const struct part parts[] = {
        {facts, sizeof facts}, {model_id, sizeof model_id}, result, {kernels, sizeof kernels - 1}};
    send(HELLO, parts, 4);
}

static void send_result(void) {
    const struct part parts[] = {result, scores};
    send(RESULT, parts, 2);
}

/* The next frame: 1 where it is whole. What follows its header goes straight to `bytes`, which has `room`. */
static int receive(struct header *header, uint8_t *bytes, uint32_t room) {
    const uint32_t most = sizeof *header + room;
    uint32_t count = 0, left = 0; /* bytes of the frame, and of the block until the next begins */
    uint8_t code = 0, byte;
    do byte = uart_get();
    while (byte == 0);
    for (; byte != 0; byte = uart_get()) {
        uint8_t value = byte;
        if (left == 0) { /* a block begins, and stands for the 0 before it: unless it is the first, or after a full one */
            const int zero = code != 0 && code != BLOCK + 1;
            left = (code = byte) - 1u;
            if (!zero) continue;
            value = 0;
        } else {
            left--;
        }
        if (count < sizeof *header) ((uint8_t *)header)[count] = value;
        else if (count < most) bytes[count - sizeof *header] = value;
        if (count <= most) count++; /* one too many is enough to know */
    }
    if (left != 0 || count < sizeof *header || count > most || header->length != count - sizeof *header) return 0;
    uint32_t crc = crc32(0, &header->kind, sizeof *header - sizeof header->checksum);
    return crc32(crc, bytes, header->length) == header->checksum;
}

void transport_open(void) {
    uart_open();
}

void transport_send(const void *head, uint32_t head_length, const void *tail, uint32_t tail_length) {
    result = (struct part){head, head_length}; /* they stay as they are until the next image */
    scores = (struct part){tail, tail_length};
    if (tail_length == 0) send_hello();
    else send_result();
}

int transport_read(void *image, uint32_t length) {
    for (;;) {
        struct header got;
        if (!receive(&got, image, length)) {
            send(AGAIN, 0, 0);
        } else if (got.kind == OPEN) {
            session = got.session;
            sequence = image_checksum = 0;
            send_hello();
        } else if (got.kind != IMAGE || got.session != session || session == 0 || got.length != length) {
            send_hello();
        } else if (got.sequence == sequence) {
            send_result();
        } else {
            sequence = got.sequence;
            image_checksum = crc32(0, image, length);
            return 1;
        }
    }
}

void transport_say(const char *text) {
    while (*text != 0) uart_put((uint8_t)*text++);
}

_Noreturn void transport_exit(uint32_t code) {
    (void)code;
    for (;;) continue; /* there is nowhere to go: the host notices that nothing answers */
}
