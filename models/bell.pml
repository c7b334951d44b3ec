/* Sleeping at a bell under x86 total store order: every sleeper waits for every message, so whichever publisher wakes, wakes
 * all. One word of bits (`parked`), one futex word (`bell`).
 *
 * A publish is a plain store and waits in its publisher's store buffer; a read-modify-write drains the buffer of its process,
 * and membarrier those of all, at the sleeper's cost. With -DFENCE_MODE publishers fence instead. Publishers publish in any
 * order: each owns every PUBLISHERS-th sequence. One atomic block is one access or one system call.
 *
 * Time passes only when nothing else can move; then the judge looks: a message that waits beside a sleeper is a lost wake,
 * but for one tick after the death of a waker that had taken the bits.
 *
 * Sizes: PUBLISHERS, SLEEPERS, LAST (sequences 0 to LAST - 1), DEATHS of publishers.
 */
#ifndef PUBLISHERS
#define PUBLISHERS 2
#endif
#ifndef SLEEPERS
#define SLEEPERS 2
#endif
#ifndef LAST
#define LAST 3
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

byte shown;                             /* a bit for each published sequence that has reached memory */
byte buffer[PUBLISHERS];                /* 1 + the one that has not */
byte parked;                            /* a bit for each sleeper */
byte bell;
bit asleep[SLEEPERS];                   /* the kernel's queue at the bell */
byte next[SLEEPERS];                    /* what each of them waits for */
byte deaths = DEATHS, excuses;
#define bit_of(q)  (1 << (q))
#define is_there(q) (shown & bit_of(q))
#define drain(b) if :: b != 0 -> shown = shown | bit_of(b - 1); b = 0 :: else fi

inline wake_all() { x = 0; do :: x < SLEEPERS -> asleep[x] = 0; x++ :: else -> break od; x = 0 }
#define or_die :: atomic { deaths > 0 -> deaths--; excuses++; goto died }

proctype publisher(byte me)
{
    byte q = me, x;
    do
    :: q >= LAST -> break
    :: q < LAST ->
       atomic { drain(buffer[me]); buffer[me] = q + 1 };        /* an earlier store leaves first */
#if defined(FENCE_MODE) && !defined(MUTANT_NO_FENCE)
       atomic { drain(buffer[me]) };
#endif
       if
       :: atomic { parked == 0 }
       :: atomic { parked != 0 };
#ifdef MUTANT_BITS_GO_LAST
          if :: atomic { drain(buffer[me]); bell++ } or_die fi;
          if :: atomic { wake_all() } or_die fi;
          if :: atomic { parked = 0 } or_die fi
#else
          if
          :: atomic { drain(buffer[me]); x = parked; parked = 0 }
          or_die
          fi;
          if
          :: x == 0                                             /* another waker has them */
          :: x != 0 ->
             x = 0;
#ifndef MUTANT_BELL_STANDS
             if :: atomic { bell++ } or_die fi;
#endif
#ifdef MUTANT_WAKES_ONE
             if :: atomic { x = 0; do :: x < SLEEPERS && asleep[x] -> asleep[x] = 0; break :: x < SLEEPERS && !asleep[x] -> x++ :: x == SLEEPERS -> break od; x = 0 } or_die fi
#else
             if :: atomic { wake_all() } or_die fi
#endif
          fi
#endif
       fi;
       q = q + PUBLISHERS
    od;
    goto done;
died:
    atomic { drain(buffer[me]); q = LAST; x = 0 };              /* a kill is a precise interrupt: what was stored is performed */
done:
    skip
}

/* The hardware. */
proctype flusher(byte i)
{
end: do :: atomic { buffer[i] != 0 -> drain(buffer[i]) } od
}

proctype sleeper(byte me)
{
    byte v, j;
    do
    :: next[me] == LAST -> break
    :: next[me] < LAST ->
       if
       :: atomic { is_there(next[me]) -> next[me]++ }
       :: atomic { !is_there(next[me]) };
#ifndef MUTANT_VALUE_READ_LATE
announce: v = bell;
#else
announce: skip;
#endif
          parked = parked | bit_of(me);
#if !defined(FENCE_MODE) && !defined(MUTANT_NO_MEMBARRIER)
          j = 0;
          do :: j < PUBLISHERS -> atomic { drain(buffer[j]); j++ } :: j == PUBLISHERS -> j = 0; break od;
#endif
          if
#ifdef MUTANT_NO_SECOND_LOOK
          :: true ->
#else
          :: atomic { is_there(next[me]) -> next[me]++ };
#ifdef MUTANT_SLEEPER_CLEARS
             parked = 0                                         /* as if the bits were its own */
#endif
          :: atomic { !is_there(next[me]) };
#endif
#ifdef MUTANT_VALUE_READ_LATE
             v = bell;
#endif
             if
             :: atomic { bell == v -> asleep[me] = 1 };
end_asleep:     atomic { !asleep[me] }
             :: atomic { bell != v }
             fi
          fi;
          v = 0
       fi
    od
}

proctype judge()
{
    byte k;
end:
    do
    :: atomic {
           timeout;
           k = 0;
           do :: k < SLEEPERS -> assert(excuses > 0 || !(asleep[k] && is_there(next[k]))); k++ :: k == SLEEPERS -> k = 0; break od;
           if
           :: excuses > 0 -> excuses = 0;                       /* the tick */
              do :: k < SLEEPERS -> asleep[k] = 0; k++ :: k == SLEEPERS -> k = 0; break od
           :: else -> break
           fi
       }
    od
}

init
{
    byte k;
    atomic {
        do :: deaths > 0 -> deaths-- :: break od;
        do :: k < PUBLISHERS -> run publisher(k); run flusher(k); k++ :: k == PUBLISHERS -> k = 0; break od;
        do :: k < SLEEPERS -> run sleeper(k); k++ :: k == SLEEPERS -> k = 0; break od;
        run judge()
    }
}
