/* The SPSC ring and its successors: either side may die before any of its writes, and a new process takes its seat.
 *
 * Memory is sequentially consistent. A slot's word is the sequence it was last written for and a kind; only the producer's
 * side writes words. The consumer's progress is exact in its own seat and copied now and then to the word that the
 * producer polls. One atomic block is one shared access. No process polls: it blocks until its look would succeed,
 * and `judge` examines every state in which nothing moves.
 *
 * Sizes: N slots, MESSAGES in all, OPEN claims at once, PEEKS messages looked at before the first is released, DEATHS.
 */
#ifndef N
#define N 2
#endif
#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifndef OPEN
#define OPEN 2
#endif
#ifndef PEEKS
#define PEEKS 2
#endif
#ifndef DEATHS
#define DEATHS 2
#endif

byte word[N], payload[N];
#define slot(q)   word[(q) % N]
#define free(q)   ((q) * 4)             /* only before the first lap: a released slot keeps its word */
#define pub(q)    ((q) * 4 + 1)
#define hole(q)   ((q) * 4 + 2)
#define filled(q) (slot(q) == pub(q) || slot(q) == hole(q))
#define TORN      255

byte progress, copy, peeked;            /* consumer's seat: exact progress, and what was ever handed out */
#ifdef MUTANT_POSITION_FROM_COUNT
byte count_published;
#endif

byte deaths = DEATHS;
byte published, abandoned, delivered, released;       /* the judge's: a bit per sequence */
bool all_sent;
#define bit_of(q) (1 << (q))
#define or_die    :: atomic { deaths > 0 -> deaths--; goto died }

#ifdef MUTANT_PRODUCER_TRUSTS_COPY
#define room_for(q) ((q) - copy < N)
#else
#define room_for(q) ((q) - copy < N || (q) - progress < N)    /* full by the copy: the exact progress decides */
#endif

proctype producer()
{
    byte p, m, g, k;                    /* first open claim, open claims, takeover's running values */
    byte open;                          /* a bit per claim that is neither published nor abandoned */

takeover:                               /* the position is found in the slots: one past the last word that was written */
#ifdef MUTANT_POSITION_FROM_COUNT
    atomic { p = count_published };
#else
    do
    :: atomic { k < N -> if :: word[k] % 4 != 0 && word[k] / 4 >= p -> p = word[k] / 4 + 1 :: else fi; k++ }
    :: atomic { k == N -> k = 0; break }
    od;
#ifndef MUTANT_GAPS_STAY
    /* Claims may be published in any order, so there may be gaps below: the dead one's claims. */
    atomic { g = (p > N -> p - N : 0) };
    do
    :: g < p ->
       if
       :: atomic { filled(g) -> g++ }
       :: atomic { !filled(g) -> abandoned = abandoned | bit_of(g); slot(g) = hole(g); g++ }
       or_die
       fi
    :: atomic { g >= p -> g = 0; break }
    od;
#endif
#endif

    do
    :: p == MESSAGES -> break
    :: p < MESSAGES ->
       if
       :: atomic { room_for(p) -> m = 1; open = 1 }
       or_die
       fi;
       if
       :: atomic { OPEN > 1 && p + 1 < MESSAGES && room_for(p + 1) -> m = 2; open = 3 }
       :: true
       fi;
       k = 0;
       do                                                       /* fill: not visible yet, and not in one piece */
       :: k < m ->
          if
          :: atomic { assert(p + k < N || (released & bit_of(p + k - N))); payload[(p + k) % N] = TORN }
          or_die
          fi;
          if
          :: atomic { payload[(p + k) % N] = p + k; k++ }
          or_die
          fi
       :: atomic { k == m -> k = 0; break }
       od;
       do                                                       /* publish or abandon, in any order */
       :: atomic { open & 1 -> slot(p) = pub(p); published = published | bit_of(p); open = open & 2 }
       :: atomic { open & 2 -> slot(p + 1) = pub(p + 1); published = published | bit_of(p + 1); open = open & 1 }
#ifndef MUTANT_ABANDONED_STAYS_FREE
       :: atomic { open == 3 -> slot(p) = hole(p); abandoned = abandoned | bit_of(p); open = 2 }
#else
       :: atomic { open == 3 -> abandoned = abandoned | bit_of(p); open = 2 }
#endif
       :: atomic { open == 0 -> break }
       or_die
       od;
#ifdef MUTANT_POSITION_FROM_COUNT
       if :: count_published = p + m or_die fi;
#endif
       atomic { p = p + m; m = 0 }
    od;
    atomic { all_sent = true; p = 0; goto finished };
died:
    atomic { p = 0; m = 0; g = 0; k = 0; open = 0; goto takeover };
finished:
    skip
}

proctype consumer()
{
    byte h, c, seen;                    /* own progress, next to peek, what predecessors may have handed out */

takeover:
#ifdef MUTANT_SEAT_RESETS_PROGRESS
    progress = 0;
#endif
    atomic {
#ifdef MUTANT_COPY_BEFORE_PROGRESS
        h = progress;                                           /* and without the max */
#else
        h = (progress > copy -> progress : copy);
#endif
        c = h
    };
    atomic { seen = peeked };
    do
    :: h == MESSAGES -> break
    :: atomic { c < MESSAGES && c < h + PEEKS && slot(c) == pub(c) };
#ifndef MUTANT_PEEKED_AFTER
       if
       :: atomic { if :: peeked < c + 1 -> peeked = c + 1 :: else fi }
       or_die
       fi;
#endif
       if                                                       /* hand out */
       :: atomic {
              assert(published & bit_of(c));
              assert(payload[c % N] == c);
              assert(!(released & bit_of(c)));                  /* what was released never comes again */
#ifdef MUTANT_NO_MARK
              assert(!(delivered & bit_of(c)));
#else
              assert(!(delivered & bit_of(c)) || c < seen);     /* a repetition is marked */
#endif
              delivered = delivered | bit_of(c) }
       or_die
       fi;
#ifdef MUTANT_PEEKED_AFTER
       if
       :: atomic { if :: peeked < c + 1 -> peeked = c + 1 :: else fi }
       or_die
       fi;
#endif
       c++
    :: atomic { c < MESSAGES && c < h + PEEKS && slot(c) == hole(c) -> c++ }
    :: atomic { c > h };                                        /* release one */
#ifndef MUTANT_COPY_BEFORE_PROGRESS
       if
       :: atomic { progress = h + 1; released = released | bit_of(h) }
       or_die
       fi;
#endif
       if                                                       /* the copy is lazy: often it is left out */
       :: atomic { copy = h + 1; released = released | bit_of(h) }
       :: true
       or_die
       fi;
#ifdef MUTANT_COPY_BEFORE_PROGRESS
       if
       :: atomic { progress = h + 1; released = released | bit_of(h) }
       or_die
       fi;
#endif
       h++
    or_die
    od;
    goto finished;
died:
    atomic { h = 0; c = 0; seen = 0; goto takeover };
finished:
    skip
}

proctype judge()
{
end:
    atomic {
        timeout;
        assert(all_sent);
        assert(progress == MESSAGES);
        assert((published & ~delivered) == 0);
        assert((published | abandoned) == bit_of(MESSAGES) - 1)
    }
}

init
{
    byte k;
    atomic {
        do :: k < N -> word[k] = free(k); k++ :: k == N -> k = 0; break od;
        do :: deaths > 0 -> deaths-- :: break od;
        run judge(); run producer(); run consumer()
    }
}
