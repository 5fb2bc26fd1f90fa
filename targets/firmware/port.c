/* What your board has to give: write the first three, the rest as far as you like.
 *
 * Your main() sets up clocks and pins, and then calls tinyedge_run(), which does not return:
 *   while it runs, nothing else may print on this line, and a watchdog is to be fed in uart_get.
 */
#include "board.h"

#error "write uart_open, uart_get and uart_put for your board, and take this line away"

void uart_open(void) {
    /* 8 data bits, no parity, 1 stop bit, no flow control, at the rate that you give to --baud */
}

uint8_t uart_get(void) {
    /* wait for a byte: e.g. STM32: while (!(USART2->ISR & USART_ISR_RXNE)) continue; return (uint8_t)USART2->RDR; */
    return 0;
}

void uart_put(uint8_t byte) {
    /* wait for room: e.g. STM32: while (!(USART2->ISR & USART_ISR_TXE)) continue; USART2->TDR = byte; */
    (void)byte;
}

/* A clock: with it the report has the time that an inference takes on this board. On a Cortex-M3 and up e.g.
 *   clock_start: CoreDebug->DEMCR |= CoreDebug_DEMCR_TRCENA_Msk; DWT->CYCCNT = 0; DWT->CTRL |= 1;
 *   clock_ticks: return DWT->CYCCNT;    (an inference of up to 2^32 cycles)
 *   clock_hz:    return SystemCoreClock; */
void clock_start(void) {}

uint64_t clock_ticks(void) {
    return 0;
}

uint32_t clock_hz(void) {
    return 0; /* there is none */
}

/* The deepest that the stack has been, in bytes; startup.c of tinyedge's own firmware paints it to find out. */
uint32_t stack_used(void) {
    return 0; /* not known */
}
