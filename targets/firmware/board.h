/* What main.c needs of a board: start-up (startup.c) and a transport (semihosting.c). */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* startup.c */
uint32_t stack_used(void);    /* bytes: the deepest since the start; ends the run if it was too deep */
void clock_start(void);       /* from 0 */
uint64_t clock_ticks(void);   /* since clock_start */

/* transport: a stream of bytes each way */
void transport_open(void);
int transport_read(void *bytes, uint32_t length);         /* 1: all of it, 0: the host has ended it */
void transport_write(const void *bytes, uint32_t length); /* all of it */
void transport_say(const char *text);                     /* for a person to read */
_Noreturn void transport_exit(uint32_t code);

#endif
