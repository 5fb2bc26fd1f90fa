/* UART0 of Arm's MPS2 boards (CMSDK APB UART): what a board of one's own puts its own in the place of.
 * Arm, Cortex-M System Design Kit Technical Reference Manual, DDI 0479, 4.3; application notes AN385, AN386, AN500.
 *
 * It would do to wait for RECEIVE_FULL. Asleep, the emulator leaves the host's processor to others. */
#include "board.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define DATA REGISTER(0x40004000)
#define STATE REGISTER(0x40004004)
#define CONTROL REGISTER(0x40004008)
#define INTERRUPT_STATUS REGISTER(0x4000400C)
#define BAUD_DIVIDER REGISTER(0x40004010)
#define NVIC_ENABLE REGISTER(0xE000E100)
#define NVIC_DISABLE REGISTER(0xE000E180)
#define NVIC_CLEAR REGISTER(0xE000E280)

enum { SEND_FULL = 1, RECEIVE_FULL = 2 };              /* STATE */
enum { SEND = 1, RECEIVE = 2, RECEIVE_INTERRUPT = 8 }; /* CONTROL */
enum { RECEIVED = 2 };                                 /* INTERRUPT_STATUS */
enum { UART0 = 1, CLOCK_HZ = 25000000, BAUD = 115200 };

void uart_open(void) {
    BAUD_DIVIDER = CLOCK_HZ / BAUD;
    CONTROL = SEND | RECEIVE | RECEIVE_INTERRUPT;
}

uint8_t uart_get(void) {
    __asm volatile("cpsid i"); /* the interrupt wakes the processor, and is not taken: it has no handler */
    NVIC_ENABLE = UART0;
    for (;;) {
        INTERRUPT_STATUS = RECEIVED;
        NVIC_CLEAR = UART0;
        if (STATE & RECEIVE_FULL) break; /* after it is cleared: what comes from here on wakes it */
        __asm volatile("wfi");
    }
    NVIC_DISABLE = UART0;
    __asm volatile("cpsie i");
    return (uint8_t)DATA;
}

void uart_put(uint8_t byte) {
    while (STATE & SEND_FULL) continue;
    DATA = byte;
}
