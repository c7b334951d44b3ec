/* Park and wake of many producers and many waiters under x86 total store order.
 *
 * A publish is a plain store and waits in its producer's store buffer until the hardware flushes it, at any later time;
 * loads read memory. Every read-modify-write drains the buffer of its process, and so does membarrier for all processes,
 * at the waiter's cost. With -DFENCE_MODE producers fence instead. One atomic block is one access or one system call.
 *
 * The ring is reduced to what waking depends on: sequences are claimed in order, published in any order, and taken from
 * the head. Time passes only when nothing else can move: then `tick` releases all that sleep or work. A tick while a
 * message waits and a waiter sleeps is a lost wake. It is excused only by the death of a process with a wake in hand
 * (a waker between its publish and its wake, a woken waiter before it looked), each death once.
 *
 * Sizes: PRODUCERS, WAITERS, MESSAGES per producer, DEATHS; RESTS: how often a producer may wait for a tick before it sends.
 */
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef WAITERS
#define WAITERS 2
#endif
#ifndef MESSAGES
#define MESSAGES 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef RESTS
#define RESTS 0
#endif
#define ALL (PRODUCERS * MESSAGES)

byte tail, head;                        /* read-modify-write only */
byte memory;                            /* a bit per published sequence that has reached memory */
byte buffer[PRODUCERS + 1];             /* 1 + the published sequence that has not; a claim drains, so one is enough */
byte parked;                            /* a bit per waiter */
byte futex[WAITERS];                    /* compared by the kernel before it puts a waiter to sleep */
bit sleeping[WAITERS];                  /* the kernel's queue */
bit working[WAITERS];                   /* a consumer may take any time over its message */
#define bit_of(q)  (1 << (q))
#define ready(q)   (memory & bit_of(q))

bit resting[PRODUCERS];
byte rests = RESTS;
byte deaths = DEATHS, waiters_left = WAITERS, finished;
byte excuses;                           /* deaths with a wake in hand since the last tick */
bool over;

#define flush(b) atomic { b != 0 -> memory = memory | bit_of(b - 1); b = 0 }
#define drain(b) if :: b != 0 -> memory = memory | bit_of(b - 1); b = 0 :: else fi
#ifdef MUTANT_WAKER_LEAVES_FUTEX
#define bump(f)  skip
#else
#define bump(f)  f = (f + 1) % 8
#endif

#define or_die_waking(may, leaves) \
    :: atomic { deaths > 0 && (may) -> deaths--; waiters_left = waiters_left - leaves; excuses++; b = 0; j = 0; goto died }

/* Wakes one: takes a parked waiter's bit, bumps its futex word, calls FUTEX_WAKE; when none slept there, the next bit.
 * `b` is what was read of parked, `own` the caller's store buffer. The caller has a wake in hand. */
inline wake(own, may_die, leaves)
{
    do
    :: b == 0 -> break
    :: b != 0 ->
       j = 0;
       do :: !(b & bit_of(j)) -> j++ :: else -> break od;
#ifdef MUTANT_ONE_SHARED_FLAG
       if                                                       /* exchange the flag, wake one of the sleepers */
       :: atomic { drain(own);
              if
              :: parked == 0 -> b = 0
              :: else -> parked = 0; b = 0; j = 0;
                     do
                     :: j == WAITERS -> break
                     :: j < WAITERS -> bump(futex[j]); j++
                     od;
                     j = 0;
                     do
                     :: j == WAITERS -> break
                     :: j < WAITERS && sleeping[j] -> sleeping[j] = 0; break
                     :: j < WAITERS && !sleeping[j] -> j++
                     od
              fi;
              j = 0 }
       or_die_waking(may_die, leaves)
       fi
#else
       if
       :: atomic { drain(own);
              if
              :: parked & bit_of(j) -> parked = parked & ~bit_of(j)
              :: else -> b = b & ~bit_of(j); j = WAITERS        /* another process cleared this bit */
              fi }
       or_die_waking(may_die, leaves)
       fi;
       if
       :: j == WAITERS
       :: j < WAITERS ->
          if :: bump(futex[j]) or_die_waking(may_die, leaves) fi;
          if
          :: atomic { sleeping[j] -> sleeping[j] = 0; b = 0 }   /* FUTEX_WAKE returned 1 */
#ifdef MUTANT_ONE_TRY
          :: atomic { !sleeping[j] -> b = 0 }
#else
          :: atomic { !sleeping[j] -> b = b & ~bit_of(j) }      /* it returned 0: awake already, or dead */
#endif
          or_die_waking(may_die, leaves)
          fi
       fi;
       j = 0
#endif
    od
}

proctype producer(byte me)
{
    byte q, b, j, left = MESSAGES;
    do
    :: left == 0 -> break
    :: left > 0 ->
       if
       :: atomic { rests > 0 -> rests--; resting[me] = 1 };
          atomic { !resting[me] }
       :: true
       fi;
       atomic { drain(buffer[me]); q = tail; tail++ };          /* claim; a death in a claim is mpmc.pml's affair */
       atomic { buffer[me] = q + 1; left--; q = 0 };            /* publish */
#if defined(FENCE_MODE) && !defined(MUTANT_NO_FENCE)
       if :: atomic { drain(buffer[me]) } or_die_waking(true, 0) fi;
#endif
       if
       :: atomic { b = parked }                                 /* no fence in between: a load may overtake the store */
       or_die_waking(true, 0)
       fi;
       wake(buffer[me], true, 0)
    od;
    goto done;
died:
    left = 0;
done:
    finished++
}

/* The hardware. */
proctype flusher(byte i)
{
end:
    do :: flush(buffer[i]) od
}

proctype waiter(byte me)
{
    byte q, b, j, value;
    bit woken;
#define or_die \
    :: atomic { deaths > 0 && waiters_left > 1 -> deaths--; waiters_left--; if :: woken -> excuses++ :: else fi; \
                value = 0; woken = 0; goto died }

    do
    :: atomic { over -> break }
    :: else ->
look:
       if
       :: atomic { ready(head) -> q = head; head++; woken = 0; goto work }
       :: atomic { !ready(head) }
       or_die
       fi;

       /* park */
#ifndef MUTANT_VALUE_READ_LATE
       atomic { value = futex[me]; woken = 0 };
#endif
       if :: atomic { parked = parked | bit_of(me) } or_die fi;
#if !defined(FENCE_MODE) && !defined(MUTANT_NO_MEMBARRIER)
       j = 0;
       do                                                       /* membarrier: one process after the other */
       :: j < PRODUCERS -> atomic { drain(buffer[j]); j++ }
       :: j == PRODUCERS -> j = 0; break
       od;
#endif
again:
#ifndef MUTANT_NO_SECOND_LOOK
       if
       :: atomic { ready(head) -> value = 0; goto unpark }
       :: atomic { !ready(head) }
       or_die
       fi;
#endif
#ifdef MUTANT_VALUE_READ_LATE
       atomic { value = futex[me]; woken = 0 };
#endif
       if
       :: atomic { futex[me] == value -> sleeping[me] = 1 }
       :: atomic { futex[me] != value -> woken = 1; value = 0; goto unpark }
       or_die
       fi;
       if
       :: atomic { !sleeping[me] -> woken = 1 }
       :: atomic { deaths > 0 && waiters_left > 1 ->            /* killed in its sleep, or woken and killed */
              deaths--; waiters_left--; if :: !sleeping[me] -> excuses++ :: else fi; sleeping[me] = 0; value = 0; goto died }
       fi;
       /* Nothing came and no waker took the bit: it is still set, so another sleep needs no other membarrier. The code
        * does not look at both in one step. A waker that takes the bit changes the futex word next: then that sleep
        * ends at once, or the waker died, which is excused until the next tick. */
       if
#ifdef MUTANT_ANNOUNCED_BY_FUTEX_ALONE
       :: atomic { !ready(head) && futex[me] == value && !over -> goto again }
       :: atomic { ready(head) || futex[me] != value || over -> value = 0 }
#else
       :: atomic { !ready(head) && (parked & bit_of(me)) && futex[me] == value && !over -> goto again }
       :: atomic { ready(head) || !(parked & bit_of(me)) || futex[me] != value || over -> value = 0 }
#endif
       or_die
       fi;
unpark:
       if
#ifdef MUTANT_ONE_SHARED_FLAG
       :: true
#else
       :: atomic { parked = parked & ~bit_of(me) }
#endif
       or_die
       fi;
       goto next;
work:
#ifndef MUTANT_NO_CHAIN
       if                                                       /* a waiter is parked and the next is ready too: */
       :: atomic { b = parked }                                 /* wake one more */
       or_die_waking(waiters_left > 1, 1)
       fi;
       if
       :: b == 0
       :: atomic { b != 0 && ready(q + 1) }
       :: atomic { b != 0 && !ready(q + 1) -> b = 0 }
       fi;
       wake(buffer[PRODUCERS], waiters_left > 1, 1);
#endif
       atomic { working[me] = 1; q = 0 };
       atomic { !working[me] };
next:  skip
    od;
    goto done;
died:
    q = 0;
done:
    skip
}

/* Time: passes when nothing else can happen. */
proctype tick()
{
    byte k;
    bool asleep;
    do
    :: atomic { over -> break }
    :: atomic {
           timeout;
           asleep = false; k = 0;
           do
           :: k < WAITERS -> asleep = asleep || sleeping[k]; k++
           :: k == WAITERS -> k = 0; break
           od;
           assert(!(ready(head) && asleep) || excuses > 0);     /* no lost wake */
           excuses = 0; asleep = false;
           if
           :: head == tail && finished == PRODUCERS -> over = true
           :: else
           fi;
           do
           :: k < WAITERS -> sleeping[k] = 0; working[k] = 0; k++
           :: k == WAITERS -> k = 0; break
           od;
           do
           :: k < PRODUCERS -> resting[k] = 0; k++
           :: k == PRODUCERS -> k = 0; break
           od
       }
    od
}

init
{
    byte k;
    atomic {
        do :: deaths > 0 -> deaths-- :: break od;
        run tick();
        do :: k < PRODUCERS -> run flusher(k); k++ :: k == PRODUCERS -> k = 0; break od;
        do :: k < PRODUCERS -> run producer(k); k++ :: k == PRODUCERS -> k = 0; break od;
        do :: k < WAITERS -> run waiter(k); k++ :: k == WAITERS -> k = 0; break od
    }
}
