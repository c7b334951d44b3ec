/* Messages of any length: the arena of each producer's seat, beside a ring. The ring is abstract: a claim, a hole for a dead
 * claimant and the adoption of a dead consumer's message are one step each, because mpmc.pml and spsc.pml have their
 * steps. What is not abstract is the arena: putting a message together, unit by unit, telling its slot where it lies,
 * publishing, asking whether an older one was released, and a successor that finds in the slots what is in use.
 * A producer may be killed before any of its steps, its successors while they look too.
 *
 * Memory is sequentially consistent. One atomic block is one shared access; the extent is one word.
 * SPSC: one producer, one consumer; a released slot keeps its word, and the consumer's progress says what was released.
 *
 * Sizes: N slots, P producers, C consumers, A units in an arena, messages of 1 to LONGEST units, PUSHES of each seat.
 */
#ifndef N
#define N 2
#endif
#ifndef P
#define P 1
#endif
#ifndef C
#define C 1
#endif
#ifndef A
#define A 3
#endif
#ifndef LONGEST
#define LONGEST 2
#endif
#ifndef PUSHES
#define PUSHES 3
#endif
#ifndef DEATHS
#define DEATHS 2
#endif

/* ---- Shared bytes ---- */
byte word[N];                           /* sequence and kind */
byte place[N], length[N];               /* the extent: the unit where the message begins, counted from the first arena */
byte unit[P * A];                       /* which message wrote it */
byte tail, head, progress;
#define slot(q)  word[(q) % N]
#define FREE     0
#define PUBLISHED 1
#define HOLE     2
#define TAKEN    3
#define of(q, k) ((q) * 4 + (k))
#define kind(w)  ((w) % 4)
#define seq(w)   ((w) / 4)

#ifdef SPSC
#define released(q) (progress > (q))
#define can_claim   (tail - progress < N)
#else
#define released(q) (slot(q) >= of((q) + N, FREE))
#define can_claim   (slot(tail) == of(tail, FREE))
#endif
#ifdef MUTANT_RELEASED_BY_HEAD
#define comes_back(q) (head > (q))
#else
#define comes_back(q) released(q)
#endif

/* ---- What the judge knows ---- */
byte id[N];                             /* which message the slot's extent is of */
byte left[P] = PUSHES;
byte deaths = DEATHS;
byte living_consumers = C;

#define is_live(k) (kind(word[k]) == PUBLISHED || kind(word[k]) == TAKEN)
#ifdef SPSC
#define in_use_by(k, u) (is_live(k) && seq(word[k]) >= progress && place[k] <= (u) && (u) < place[k] + length[k])
#else
#define in_use_by(k, u) (is_live(k) && place[k] <= (u) && (u) < place[k] + length[k])
#endif
#if N == 3
#define in_use(u) (in_use_by(0, u) || in_use_by(1, u) || in_use_by(2, u))
#else
#define in_use(u) (in_use_by(0, u) || in_use_by(1, u))
#endif
#define or_die :: atomic { deaths > 0 -> deaths--; goto died }

#ifdef MUTANT_PAD_IS_FREE
#define PAD 0
#else
#define PAD pad
#endif

/* Where the arena's youngest message ends. */
#define END ((oldest + used) % A)
#define pop atomic { out--; \
    used = (out > 0 -> used - (A + at[1] - oldest) % A : 0); \
    oldest = (out > 0 -> at[1] : oldest); \
    q[0] = q[1]; at[0] = at[1]; q[1] = q[2]; at[1] = at[2]; q[2] = 0; at[2] = 0 }

proctype producer(byte seat)
{
    byte p, size, pad, begin, u, k, w, e;
    bool claimed;
    byte oldest, used, out, q[3], at[3];                        /* the arena as its owner knows it */

takeover:
#ifndef MUTANT_NO_REBUILD
    /* In the order of the sequences: each begins at the first place behind the last that has its distance. */
#if defined(SPSC) && !defined(MUTANT_FROM_A_LAP_BEFORE)
    atomic { k = progress; p = tail };
#else
    atomic { k = (tail > N -> tail - N : 0); p = tail };
#endif
    do
    :: k >= p -> break
    :: k < p ->
       if :: w = slot(k) or_die fi;
       if
#ifdef MUTANT_TAKEN_IS_FREE
       :: w == of(k, PUBLISHED) ->
#else
       :: w == of(k, PUBLISHED) || w == of(k, TAKEN) ->
#endif
          if :: atomic { e = place[k % N]; size = length[k % N] } or_die fi;
          atomic {
              if                                                /* another seat's, of a later lap perhaps: passed over */
              :: e / A == seat ->
                 q[out] = k; at[out] = e % A;
                 if
                 :: out == 0 -> oldest = e % A; used = size
                 :: else -> used = used + (2 * A + e % A - oldest - used) % A + size
                 fi;
                 assert(used <= A); out++
              :: else
              fi;
              w = 0; e = 0; size = 0; k++ }
       :: else -> atomic { w = 0; k++ }
       fi
    od;
    atomic { k = 0; p = 0 };
#endif

    do
    :: left[seat] == 0 -> break
    :: left[seat] > 0 ->
       if :: size = 1 :: LONGEST > 1 -> size = 2 :: LONGEST > 2 -> size = 3 fi;
room:  atomic {
#ifdef MUTANT_NO_PAD
           pad = 0
#else
           pad = (END + size > A -> A - END : 0)
#endif
       };
       if
       :: atomic { out == 0 -> oldest = (END + pad) % A; used = 0; pad = 0 }
       :: out > 0 && out < 3 && used + pad + size <= A
       :: out == 3 || (out > 0 && used + pad + size > A) ->
          if
          :: comes_back(q[0]) -> pop; goto room
#ifdef MUTANT_ANY_COMES_BACK
          :: out > 1 && comes_back(q[1]) -> pop; goto room
#endif
          or_die
          fi
       fi;
       begin = (END + pad) % A;
       do                                                       /* put together: no other process knows */
       :: u == size -> u = 0; break
       :: u < size ->
          if
          :: atomic { assert(begin + u < A);                    /* in one piece */
                      assert(!in_use(seat * A + begin + u));
                      unit[seat * A + begin + u] = seat * 8 + left[seat]; u++ }
          or_die
          fi
       od;
       if                                                       /* abandon: nothing at all */
       :: atomic { can_claim -> p = tail; tail++; claimed = true }
       or_die
       fi;
#ifdef MUTANT_EXTENT_AFTER_WORD
       if :: slot(p) = of(p, PUBLISHED) or_die fi;
#endif
       if :: atomic { place[p % N] = seat * A + begin; length[p % N] = size; id[p % N] = seat * 8 + left[seat] } or_die fi;
       if
       :: atomic {
              slot(p) = of(p, PUBLISHED); claimed = false; left[seat]--;
              q[out] = p; at[out] = begin; out++; used = used + PAD + size;
              p = 0; size = 0; pad = 0; begin = 0 }
       or_die
       fi
    od;
    goto finished;
died:
    atomic {                                                    /* the ring mends; a successor takes the seat */
        if
        :: claimed && slot(p) != of(p, PUBLISHED) ->
#ifdef SPSC
           tail--                                               /* the successor claims it again */
#else
           slot(p) = of(p, HOLE)
#endif
        :: else
        fi;
        p = 0; size = 0; pad = 0; begin = 0; u = 0; k = 0; w = 0; e = 0; claimed = false;
        oldest = 0; used = 0; out = 0; q[0] = 0; q[1] = 0; q[2] = 0; at[0] = 0; at[1] = 0; at[2] = 0;
        goto takeover };
finished:
    atomic { p = 0; out = 0; used = 0; oldest = 0; q[0] = 0; q[1] = 0; q[2] = 0; at[0] = 0; at[1] = 0; at[2] = 0 }
}

proctype consumer()
{
    byte h, u;

end:
    do
    :: atomic { head < tail && slot(head) == of(head, PUBLISHED) -> h = head; head++ };
hold:
       do                                                       /* in place: every unit is its own */
       :: u == length[h % N] -> u = 0; break
       :: u < length[h % N] -> atomic { assert(unit[place[h % N] + u] == id[h % N]); u++ }
       od;
       if
#ifdef SPSC
       :: atomic { assert(progress == h); progress++; h = 0 }
       :: atomic { deaths > 0 -> deaths--; head--; h = 0 }      /* its successor gets it again */
#else
       :: atomic { assert(is_live(h % N) && seq(slot(h)) == h); slot(h) = of(h + N, FREE); h = 0 }
       :: atomic { deaths > 0 && living_consumers > 1 -> deaths--; living_consumers--; slot(h) = of(h, TAKEN); h = 0; break }
#endif
       fi
#ifndef SPSC
    :: atomic { head < tail && slot(head) == of(head, HOLE) -> slot(head) = of(head + N, FREE); head++ }
    :: atomic { kind(word[0]) == TAKEN -> h = seq(word[0]); word[0] = of(h, PUBLISHED); goto hold }  /* adopted */
    :: atomic { kind(word[1]) == TAKEN -> h = seq(word[1]); word[1] = of(h, PUBLISHED); goto hold }
#if N == 3
    :: atomic { kind(word[2]) == TAKEN -> h = seq(word[2]); word[2] = of(h, PUBLISHED); goto hold }
#endif
#endif
    od
}

/* Looks when nothing moves any more. */
proctype judge()
{
    byte k;
end:
    atomic {
        timeout;
        do :: k < P -> assert(left[k] == 0); k++ :: k == P -> k = 0; break od;
        assert(head == tail);
#ifdef SPSC
        assert(progress == tail)
#else
        do :: k < N -> assert(kind(word[k]) == FREE); k++ :: k == N -> k = 0; break od
#endif
    }
}

init
{
    byte k;
    atomic {
        do :: k < N -> word[k] = of(k, FREE); k++ :: k == N -> k = 0; break od;
        do :: deaths > 0 -> deaths-- :: break od;
        run judge();
        do :: k < P -> run producer(k); k++ :: k == P -> k = 0; break od;
        do :: k < C -> run consumer(); k++ :: k == C -> k = 0; break od
    }
}
