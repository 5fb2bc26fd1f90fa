/* UART0 of Arm's MPS2 boards (CMSDK APB UART), polled: what a board of one's own puts its own in the place of.
 * Arm, Cortex-M System Design Kit Technical Reference Manual, DDI 0479, 4.3. */
#include "board.h"

#define REGISTER(offset) (*(volatile uint32_t *)(0x40004000 + (offset)))
#define DATA REGISTER(0x00)
#define STATE REGISTER(0x04)
#define CONTROL REGISTER(0x08)
#define BAUD_DIVIDER REGISTER(0x10)

enum { SEND_FULL = 1, RECEIVE_FULL = 2, ENABLE_BOTH = 3, CLOCK_HZ = 25000000, BAUD = 115200 };

void uart_open(void) {
    BAUD_DIVIDER = CLOCK_HZ / BAUD;
    CONTROL = ENABLE_BOTH;
}

uint8_t uart_get(void) {
    while (!(STATE & RECEIVE_FULL)) continue;
    return (uint8_t)DATA;
}

void uart_put(uint8_t byte) {
    while (STATE & SEND_FULL) continue;
    DATA = byte;
}
