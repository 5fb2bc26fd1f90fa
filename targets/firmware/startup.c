/* Start-up for Cortex-M: the vector table, memory, a painted stack, SysTick, and faults that say where they were. */
#include "board.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define SYSTICK_CONTROL REGISTER(0xE000E010)
#define SYSTICK_RELOAD REGISTER(0xE000E014)
#define SYSTICK_CURRENT REGISTER(0xE000E018)
#define CONFIGURATION REGISTER(0xE000ED14)
#define FAULT_STATUS REGISTER(0xE000ED28)
#define FAULT_ADDRESS REGISTER(0xE000ED38)

#define TRAP_UNALIGNED (1u << 3)
#define SYSTICK_ON_PROCESSOR_CLOCK_WITH_INTERRUPT 7u
#define SYSTICK_PERIOD 0x1000000u
#define PAINT 0x5AFEC0DEu
#define RED_ZONE_BYTES 1024u /* at the limit: a large frame may leave its lowest words alone */
#define EXIT_FAULT 3u
#define EXIT_STACK 5u

extern uint32_t data_start, data_end, data_load, bss_start, bss_end, stack_limit, stack_top;

_Noreturn void reset(void);
void fault(void);
void unexpected(void);
void systick(void);

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    &stack_top, (void *)reset, (void *)unexpected, (void *)fault, (void *)fault, (void *)fault, (void *)fault,
    0, 0, 0, 0, (void *)unexpected, (void *)unexpected, 0, (void *)unexpected, (void *)systick,
};

static volatile uint32_t periods;

_Noreturn void reset(void) {
    uint32_t *from = &data_load;
    for (uint32_t *to = &data_start; to < &data_end;) *to++ = *from++;
    for (uint32_t *to = &bss_start; to < &bss_end;) *to++ = 0;
    uint32_t *here = (uint32_t *)((uintptr_t)__builtin_frame_address(0) & ~3u) - 16; /* below what this function uses */
    for (uint32_t *to = &stack_limit; to < here;) *to++ = PAINT;
#ifdef STRICT_ALIGNMENT
    CONFIGURATION |= TRAP_UNALIGNED; /* as on the core that the code is for */
#endif
    tinyedge_run();
    transport_exit(0);
}

uint32_t stack_used(void) {
    const volatile uint32_t *at = &stack_limit;
    while (at < &stack_top && *at == PAINT) at++;
    if ((uintptr_t)at - (uintptr_t)&stack_limit < RED_ZONE_BYTES) {
        transport_say("stack overflow\n");
        transport_exit(EXIT_STACK);
    }
    return (uint32_t)((uintptr_t)&stack_top - (uintptr_t)at);
}

void clock_start(void) {
    periods = 0;
    SYSTICK_CONTROL = 0;
    SYSTICK_RELOAD = SYSTICK_PERIOD - 1;
    SYSTICK_CURRENT = 0;
    SYSTICK_CONTROL = SYSTICK_ON_PROCESSOR_CLOCK_WITH_INTERRUPT;
}

uint64_t clock_ticks(void) {
    uint32_t before, current;
    do { /* again where the counter started anew in between */
        before = periods;
        current = SYSTICK_CURRENT;
    } while (before != periods);
    return (uint64_t)before * SYSTICK_PERIOD + (SYSTICK_PERIOD - 1 - current);
}

void systick(void) {
    periods++;
}

uint32_t clock_hz(void) {
    return 0; /* emulated: it follows the host's clock, or counts instructions, and neither is this processor's time */
}

static void say_number(const char *name, uint32_t value) {
    char text[11] = "0x";
    for (int i = 0; i < 8; i++) text[2 + i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
    text[10] = 0;
    transport_say(name);
    transport_say(text);
}

__attribute__((used)) static void fault_at(const uint32_t *frame) {
    transport_say("fault");
    if ((uintptr_t)frame < (uintptr_t)&stack_limit) transport_say(" (stack overflow)");
    say_number(": status ", FAULT_STATUS);
    say_number(", address ", FAULT_ADDRESS);
    if (((uintptr_t)frame & 3) == 0 && (uintptr_t)frame >= (uintptr_t)&data_start) {
        say_number(", at ", frame[6]);
        say_number(", called from ", frame[5]);
    }
    transport_say("\n");
    transport_exit(EXIT_FAULT);
}

__attribute__((naked)) void fault(void) {
    __asm volatile("mrs r0, msp\n ldr r1, =fault_at\n bx r1\n");
}

void unexpected(void) {
    transport_say("unexpected exception\n");
    transport_exit(EXIT_FAULT);
}
