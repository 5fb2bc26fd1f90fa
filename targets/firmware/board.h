/* What main.c needs of a board: start-up (startup.c), and a transport (semihosting.c, or uart.c on top of a board's own
 * two functions). */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* startup.c */
uint32_t stack_used(void);    /* bytes: the deepest since the start; ends the run if it was too deep */
void clock_start(void);       /* from 0 */
uint64_t clock_ticks(void);   /* since clock_start */
uint32_t clock_hz(void);      /* ticks a second; 0 where they are no measure of time */

/* main.c */
void tinyedge_run(void);         /* until the host ends it; over a serial line for ever */
void layer_done(uint32_t layer); /* where LAYERS is defined */

/* transport */
void transport_open(void);
int transport_read(void *image, uint32_t length); /* 1: all of it, 0: the host has ended it */
void transport_send(const void *result, uint32_t result_length, const void *scores, uint32_t scores_length);
void transport_write(const void *bytes, uint32_t length); /* more of the same, where LAYERS is defined */
void transport_say(const char *text);                     /* for a person to read */
_Noreturn void transport_exit(uint32_t code);

/* a serial line, for uart.c: 8 data bits, no parity, 1 stop bit */
void uart_open(void);
uint8_t uart_get(void);           /* waits for it */
void uart_put(uint8_t byte);      /* waits until there is room */

#endif
