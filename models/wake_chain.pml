/* Which sleeper is woken, and which thread passes a wake-up on: both roles of an mpmc ring, holes, drains, shared bits,
 * close().
 *
 * That an announcement and a publish cannot miss each other is park_wake.pml's. Here memory is sequentially consistent
 * and nothing dies, so no sleeper may ever need a tick: when nothing else can move, no thread sleeps beside something
 * that it could use. Then `tick` lets working threads go on, and never a sleeping one.
 *
 * Sequences are claimed in order, published or abandoned in any order, taken in order and released in any order. One
 * atomic block is one shared access, or the work on one seat by a waker that has its bit.
 *
 * Sizes: SLOTS, PRODUCERS, MESSAGES per producer, CONSUMERS; DRAINERS, which send nothing and wait until the ring is
 * drained; FILLED: the ring begins with that many messages; BITS of a role's parked word, seat i having bit i % BITS;
 * HOLES, how many claims may be abandoned; GIVE_UPS, how many waits may end because their time is up; CLOSES: whether
 * the channel is closed, at any time; TAKES: after how many messages a consumer leaves, 0: never.
 */
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef MESSAGES
#define MESSAGES 1
#endif
#ifndef CONSUMERS
#define CONSUMERS 2
#endif
#ifndef DRAINERS
#define DRAINERS 0
#endif
#ifndef FILLED
#define FILLED 0
#endif
#ifndef BITS
#define BITS 1
#endif
#ifndef HOLES
#define HOLES 0
#endif
#ifndef TAKES
#define TAKES 0
#endif
#ifndef GIVE_UPS
#define GIVE_UPS 0
#endif
#ifndef CLOSES
#define CLOSES 0
#endif
#define SENDERS   (PRODUCERS + DRAINERS)        /* seats of producers: first those that drain */
#define SEATS     (SENDERS + CONSUMERS)
#define P 0
#define C 1
#define first_of(role)  (role * SENDERS)
#define end_of(role)    (SENDERS + role * CONSUMERS)
#define bit_of(x)       (1 << (x))
#define shared_bit(s)   bit_of((s - (s >= SENDERS -> SENDERS : 0)) % BITS)

byte tail = FILLED, head;
byte published = bit_of(FILLED) - 1, holes, released;                /* a bit for each sequence */
byte bits[2];                                   /* of a role: the seats that may sleep */
byte parked[SEATS];                             /* 1 for a turn, 2 until drained */
bit bumped[SEATS];                              /* the futex word, since it was announced */
bit sleeping[SEATS];                            /* the kernel's queue */
bit working[SEATS];                             /* may take any time */
bit closed, over;
byte may_abandon = HOLES, may_give_up = GIVE_UPS, consumers_left = CONSUMERS;

#define has_room      (tail < SLOTS || (released & bit_of(tail - SLOTS)))
#define is_ready      (published & bit_of(head))
#define is_hole       (holes & bit_of(head))
#define is_exhausted  (head == tail)
#define is_drained    (released == bit_of(tail) - 1)

#ifdef MUTANT_DRAIN_TAKES_A_TURN
#define DRAINING 1
#else
#define DRAINING 2
#endif

/* Inside an atomic block: whether another seat behind the bit of `s` is announced, in `i`. */
inline look_behind(s, role)
{
    i = first_of(role);
    do
    :: i == end_of(role) -> i = SEATS; break
    :: i < end_of(role) && i != s && parked[i] != 0 && shared_bit(i) == shared_bit(s) -> break
    :: else -> i++
    od
}

/* Inside an atomic block: wakes seat `s`; `n` counts down if it slept there and waits for a turn. */
inline wake_seat(s, role)
{
    i = parked[s];
    parked[s] = 0;
    bumped[s] = 1;
    if
    :: sleeping[s] -> sleeping[s] = 0; if :: i == 1 -> n-- :: else fi
    :: else
    fi;
    look_behind(s, role);
    if
    :: i != SEATS -> bits[role] = bits[role] | shared_bit(s)
    :: else
    fi;
    i = 0
}

/* wake_sleepers(): takes a bit, walks the seats behind it up to the first that it really woke. */
inline wake(role, count)
{
    n = count;
    atomic { b = bits[role]; j = 0 };
    do
    :: n == 0 || j == BITS -> break
    :: n > 0 && j < BITS && !(b & bit_of(j)) -> j++
    :: n > 0 && j < BITS && (b & bit_of(j)) ->
       if
       :: atomic { bits[role] & bit_of(j) -> bits[role] = bits[role] & ~bit_of(j); k = first_of(role) }
       :: atomic { !(bits[role] & bit_of(j)) -> j++; k = end_of(role) }      /* another waker has it */
       fi;
       if
       :: k == end_of(role)
       :: k < end_of(role) ->
          m = n;
          do
          :: k == end_of(role) -> j++; break
          :: atomic { k < end_of(role) && parked[k] != 0 && shared_bit(k) == bit_of(j) ->
                 wake_seat(k, role);
                 k++;
                 if
                 :: n < m -> break                                          /* one was; are others behind it? */
                 :: else
                 fi }
          :: atomic { k < end_of(role) && !(parked[k] != 0 && shared_bit(k) == bit_of(j)) -> k++ }
          od
       fi
    od;
    atomic { b = 0; j = 0; k = 0; m = 0; n = 0 }
}

/* close(): every seat, whatever the bits say. */
inline wake_all(role)
{
    k = first_of(role);
    do
    :: k == end_of(role) -> k = 0; break
    :: k < end_of(role) ->
       atomic { if :: parked[k] != 0 -> wake_seat(k, role) :: else fi; k++; n = 0 }
    od
}

inline announce(me, role, what) { atomic { bumped[me] = 0; parked[me] = what; bits[role] = bits[role] | shared_bit(me) } }

inline retract(me, role)
{
#ifdef MUTANT_RETRACT_CLEARS_SHARED_BIT
    atomic { parked[me] = 0; bits[role] = bits[role] & ~shared_bit(me) }
#else
    atomic { parked[me] = 0; look_behind(me, role) };
    if
    :: i != SEATS -> i = 0                                                  /* theirs as well */
    :: i == SEATS ->
       atomic { bits[role] = bits[role] & ~shared_bit(me); i = 0 };
       atomic { look_behind(me, role);                                      /* announced just before the bit went? */
           if
           :: i != SEATS -> bits[role] = bits[role] | shared_bit(me); k = i; wake_seat(k, role); k = 0
           :: else
           fi;
           i = 0; n = 0 }
    fi
#endif
}

/* From an announcement to the next look. `up`: the time is up. */
inline sleep(me, may_end)
{
    atomic { if :: !bumped[me] -> sleeping[me] = 1 :: else fi };
    if
    :: atomic { !sleeping[me] -> skip }
#ifdef MUTANT_GIVES_UP_WITHOUT_A_LOOK
    :: atomic { may_give_up > 0 && (may_end) -> may_give_up--; sleeping[me] = 0; up = 1; goto awake }
#else
    :: atomic { sleeping[me] && may_give_up > 0 && (may_end) -> may_give_up--; sleeping[me] = 0; up = 1 }
#endif
    :: atomic { over -> sleeping[me] = 0; up = 1 }
    fi
}

#define work(me)  if :: skip :: atomic { working[me] = 1 }; atomic { !working[me] } fi

proctype producer(byte me)
{
    byte q, b, i, j, k, m, n, left = MESSAGES;
    bit got, up, waits;
next:
    if
    :: left == 0 || closed -> goto done
    :: else
    fi;
look:
    if
    :: atomic { has_room -> q = tail; tail++; got = 1 }
    :: atomic { !has_room -> got = 0 }
    fi;
    if
    :: !got && !closed && !up ->
       if
       :: waits && !bumped[me] && parked[me] != 0 && (bits[P] & shared_bit(me)) -> skip        /* it still stands */
       :: waits && (bumped[me] || parked[me] == 0 || !(bits[P] & shared_bit(me))) -> retract(me, P); waits = 0; goto park
       :: !waits -> goto park
       fi;
       sleep(me, true);
       goto look
    :: else
    fi;
    goto awake;
park:
    announce(me, P, 1);
    waits = 1;
    if                                                                      /* the look after it */
    :: atomic { has_room -> q = tail; tail++; got = 1 }
    :: atomic { !has_room -> got = 0 }
    fi;
    if
    :: !got && !closed -> sleep(me, true); goto look
    :: else
    fi;
awake:
#ifndef MUTANT_NO_PRODUCER_CHAIN
    if
    :: got && bits[P] != 0 && has_room -> wake(P, 1)
    :: else
    fi;
#endif
    if :: waits -> retract(me, P); waits = 0 :: else fi;
    if
    :: !got -> left = 0; goto done                                          /* closed, or gave up */
    :: got
    fi;
    got = 0; up = 0;
    work(me);
    if
    :: atomic { published = published | bit_of(q) }
    :: atomic { may_abandon > 0 -> may_abandon--; holes = holes | bit_of(q) }
    fi;
    wake(C, 1);
    left--;
    q = 0;
    goto next;
done:
    skip
}

proctype drainer(byte me)
{
    byte b, i, j, k, m, n;
    bit up;
    do
    :: is_drained -> break
    :: else ->
       announce(me, P, DRAINING);
       if
       :: is_drained
       :: else -> sleep(me, false)
       fi;
awake: retract(me, P);
       if :: up -> break :: else fi
    od
}

proctype consumer(byte me)
{
    byte q, b, i, j, k, m, n;
    bit up, waits;
#if TAKES > 0
    byte taken;
#endif
#define NOTHING 0
#define MESSAGE 1
#define HOLE    2
#define END     3
    byte got;
look:
    if
    :: atomic { is_ready -> q = head; head++; got = MESSAGE }
    :: atomic { is_hole -> q = head; head++; got = HOLE }
    :: atomic { !is_ready && !is_hole -> got = (closed && is_exhausted && is_drained -> END : NOTHING) }
    fi;
    if
    :: got == HOLE ->
       atomic { released = released | bit_of(q); q = 0 };
       wake(P, 1);
       goto look
    :: got == NOTHING && up -> goto awake
    :: got == NOTHING && !up && waits && !bumped[me] && parked[me] != 0 && (bits[C] & shared_bit(me)) -> sleep(me, consumers_left > 1)
    :: got == NOTHING && !up && waits && (bumped[me] || parked[me] == 0 || !(bits[C] & shared_bit(me))) -> retract(me, C); waits = 0; goto look
    :: got == NOTHING && !up && !waits -> announce(me, C, 1); waits = 1
    :: got == MESSAGE || got == END -> goto awake
    fi;
    goto look;
awake:
    if
#ifdef MUTANT_HOLE_ENDS_CHAIN
    :: got == MESSAGE && bits[C] != 0 && is_ready -> wake(C, 1)
#else
    :: got == MESSAGE && bits[C] != 0 && (is_ready || is_hole) -> wake(C, 1)
#endif
#ifndef MUTANT_END_IS_NOT_PASSED_ON
    :: got == END -> wake_all(C)
#endif
    :: else
    fi;
    if :: waits -> retract(me, C); waits = 0 :: else fi;
    if
    :: got == END -> goto done
    :: got == NOTHING -> atomic { consumers_left--; goto done }
    :: else
    fi;
    got = NOTHING; up = 0;
    work(me);
    atomic { released = released | bit_of(q); q = 0 };
    wake(P, 1);
#ifndef MUTANT_END_IS_NOT_PASSED_ON
    if :: closed && is_exhausted -> wake_all(C) :: else fi;
#endif
#if TAKES > 0
    taken++;
    if :: taken == TAKES -> goto done :: else fi;
#endif
    goto look;
done:
    skip
}

proctype closer()
{
    byte b, i, j, k, m, n;
    atomic { closed = 1 };
#ifdef MUTANT_CLOSE_BY_BITS
    wake(P, SENDERS);
    wake(C, CONSUMERS)
#else
    wake_all(P);
    wake_all(C)
#endif
}

/* Time: passes when nothing else can happen. */
proctype tick()
{
    byte s;
    bool moves;
end:
    do
    :: atomic {
           timeout;
           s = 0; moves = false;
           do
           :: s == SEATS -> s = 0; break
           :: s < SEATS ->
              assert(!(sleeping[s] && s < DRAINERS && is_drained));
              assert(!(sleeping[s] && s >= DRAINERS && s < SENDERS && (has_room || closed)));
              assert(!(sleeping[s] && s >= SENDERS && (is_ready || is_hole || (closed && is_exhausted && is_drained))));
              moves = moves || working[s];
              working[s] = 0;
              s++
           od;
           if
           :: moves -> moves = false
           :: else -> over = 1; break
           fi
       }
    od
}

init
{
    byte k;
    atomic {
        do :: may_give_up > 0 -> may_give_up-- :: break od;
        run tick();
        do :: k < DRAINERS -> run drainer(k); k++ :: k == DRAINERS -> break od;
        do :: k < SENDERS -> run producer(k); k++ :: k == SENDERS -> break od;
        do :: k < SEATS -> run consumer(k); k++ :: k == SEATS -> k = 0; break od;
        if :: CLOSES -> run closer() :: else fi
    }
}
