/* One seat that many want: taking, death, the DEAD mark, settling, the next generation, leaving.
 *
 * The record of a seat is state with generation, identity and intent; its lock falls when its holder dies. Death is
 * proven in one of two ways: by the identity (anonymous segments), or with -DPROOF_BY_LOCK by nothing but the lock's being
 * free (segments with a file). The seat's work is reduced to one message that its owner takes and releases.
 * One atomic block is one shared access, memory is sequentially consistent, no process polls, and `judge` examines
 * every state in which nothing moves. Menders and newcomers may die before any write, and be stopped while they hold
 * the lock.
 *
 * Sizes: NEWCOMERS, MENDERS, ASKERS (that only want to know whether the owner lives), DEATHS, STOPS.
 */
#ifndef NEWCOMERS
#define NEWCOMERS 2
#endif
#ifndef MENDERS
#define MENDERS 1
#endif
#ifndef ASKERS
#define ASKERS 1
#endif
#ifndef DEATHS
#define DEATHS 2
#endif
#ifndef STOPS
#define STOPS 0
#endif
#define NOBODY 255

byte state, id, lock = NOBODY;
bool intent;
#define FREE(g)     ((g) * 4)
#define TAKEN(g)    ((g) * 4 + 1)
#define DEAD(g)     ((g) * 4 + 2)
#define is_free(v)  ((v) % 4 == 0)
#define is_taken(v) ((v) % 4 == 1)
#define is_dead(v)  ((v) % 4 == 2)
#define generation(v) ((v) / 4)
#ifdef MUTANT_SAME_GENERATION
#define next(v)     generation(v)
#else
#define next(v)     (generation(v) + 1)
#endif

mtype:message = { none, pending, adopted };     /* what the owner of the seat has taken and not released */
mtype:message message = none;

byte living = 255;
byte deaths = DEATHS, stops = STOPS;
#define alive(i) ((living >> (i)) & 1)
#ifdef PROOF_BY_LOCK
#define proven_dead (lock == NOBODY)
#else
#define proven_dead (!alive(id))
#endif

/* The judge's. */
byte holder = 0;                        /* the process that took the seat last */
byte owed, handled;                     /* messages taken by owners; messages released */
byte waiting = NEWCOMERS, menders_left = MENDERS, frozen;
#define fall_dead() \
    deaths--; living = living & ~(1 << me); \
    if :: is_mender -> menders_left-- :: else fi; \
    if :: lock == me -> lock = NOBODY :: else fi; \
    v = 0; g = 0
#define or_die  :: atomic { deaths > 0 && may_die -> fall_dead(); goto died }
#define or_stop :: atomic { stops > 0 && may_die -> stops--; frozen = frozen | (1 << me); goto stopped }
#define is_mender (me > NEWCOMERS && me <= NEWCOMERS + MENDERS)
#define may_die (!is_mender || menders_left > 1 || MENDERS == 0)

/* Finds the seat ownerless, marks it, locks it, looks again, settles it. Comes back holding the lock of a settled seat
 * (v: its state), or jumps to `missed`. A free seat only needs the lock. */
inline obtain(also_free)
{
    if
    :: atomic { is_dead(state) && lock == NOBODY -> v = state }
#ifdef MUTANT_LOCK_BEFORE_MARK
    :: atomic { is_taken(state) && proven_dead && lock == NOBODY -> lock = me; v = state };
       if
       :: atomic { state == v && is_taken(v) -> state = DEAD(generation(v)); v = DEAD(generation(v)) }
       :: atomic { state != v || !is_taken(v) -> goto unlock }
       or_stop
       or_die
       fi;
       goto locked
#else
    :: atomic { is_taken(state) && proven_dead && lock == NOBODY -> v = state };
       if                                                       /* by CAS from what was read before the proof */
#ifdef MUTANT_MARK_BY_STORE
       :: atomic { state = DEAD(generation(v)); v = DEAD(generation(v)) }
#else
       :: atomic { state == v -> state = DEAD(generation(v)); v = DEAD(generation(v)) }
       :: atomic { state != v -> v = DEAD(generation(v)) }
#endif
       or_die
       fi
#endif
    :: atomic { also_free && is_free(state) && lock == NOBODY -> v = state }
    or_die
    fi;
    if
#ifdef MUTANT_LOCK_EXCLUDES_NOBODY
    :: lock = me
#else
    :: atomic { lock == NOBODY -> lock = me }
    :: atomic { lock != NOBODY -> goto missed }
#endif
    or_die
    fi;
locked:
#ifndef MUTANT_NO_SECOND_LOOK
    if
    :: atomic { state == v }
    :: atomic { state != v -> goto unlock }                     /* free, or the next generation, by now */
    fi;
#endif
#ifdef MUTANT_TAKE_BEFORE_SETTLING
    if :: also_free -> if :: id = me or_die fi; if :: atomic { state = TAKEN(next(v)); holder = me } or_die fi :: else fi;
#endif
#ifdef MUTANT_CLEAR_BEFORE_SETTLING
    g = intent;
    if :: intent = false or_die fi;
#else
    g = intent;
#endif
    if
    :: g && is_dead(v) ->
       if
       :: message == none                                       /* released before the death, or never taken */
       :: atomic { message == pending -> message = adopted }
       :: message == adopted                                    /* a mender before us died here: deliver again */
       or_stop
       or_die
       fi;
       if
       :: atomic { message == adopted -> message = none; handled++ }
       :: message == none
       or_die
       fi
    :: !(g && is_dead(v))
    fi;
    if
    :: atomic { intent = false; g = 0 }                         /* the range is resolved: only now */
    or_die
    fi
}

proctype newcomer(byte me; bool seated)
{
    byte v, g;
    if
    :: atomic { seated -> g = 1; goto work }
    :: else
    fi;
end_attach:
    obtain(true);
    if :: id = me or_die fi;
    if
    :: atomic { g = next(v); v = 0; state = TAKEN(g); holder = me; waiting--; seated = true }
    or_die
    fi;

work:                                                           /* no other process writes to a living owner's seat */
    if
    :: atomic { assert(state == TAKEN(g)); assert(message == none); intent = true }
    or_die
    fi;
    if
    :: atomic { assert(state == TAKEN(g) && intent); message = pending; owed++ }
    or_die
    fi;
    if
    :: atomic { assert(state == TAKEN(g) && intent); assert(message == pending); message = none; handled++ }
    or_die
    fi;
    if                                                          /* leave: intent, state, and the lock last */
    :: atomic { assert(state == TAKEN(g)); intent = false }
    or_die
    fi;
#ifdef MUTANT_UNLOCK_BEFORE_FREE
    if :: lock = NOBODY or_die fi;
    if :: state = FREE(g) or_die fi;
#else
    if
    :: atomic { assert(state == TAKEN(g)); state = FREE(g) }
    or_die
    fi;
    if :: atomic { if :: lock == me -> lock = NOBODY :: else fi } or_die fi;
#endif
    goto gone;
unlock:
    if :: atomic { if :: lock == me -> lock = NOBODY :: else fi } or_die fi;
missed:
    atomic { v = 0; g = 0; goto end_attach };
died:
    atomic { if :: seated :: !seated -> waiting-- fi };
gone:
stopped:
    v = 0; g = 0
}

/* Settles what the dead left and frees the seat. */
proctype mender(byte me)
{
    byte v, g;
end_look:
    obtain(false);
    if :: state = FREE(generation(v)) or_die fi;
unlock:
    if :: atomic { if :: lock == me -> lock = NOBODY :: else fi } or_die fi;
missed:
    atomic { v = 0; g = 0; goto end_look };
died:
stopped:
    v = 0; g = 0
}

/* Waits for the owner's slot and asks for a verdict; it takes no lock and may be slow. */
proctype asker(byte me)
{
    byte v;
end_ask:
    atomic { is_taken(state) -> v = state };
end_prove:
    atomic { proven_dead };
    atomic {
#ifdef MUTANT_MARK_BY_STORE
        state = DEAD(generation(v));
#else
        if :: state == v -> state = DEAD(generation(v)) :: else fi;
#endif
        v = 0
    }
}

proctype judge()
{
end:
    atomic {
        timeout;
        assert(!(is_taken(state) && !alive(holder)));           /* a dead owner never looks alive, locked or not */
        if
        :: frozen != 0 && lock != NOBODY && (frozen & (1 << lock)) ->
               assert(message == none || is_dead(state))        /* its message stays, and the seat looks dead */
        :: else ->
               assert(owed == handled);
               assert(message == none);
               assert(is_free(state) && lock == NOBODY);
               assert(waiting == 0)
        fi
    }
}

init
{
    byte k;
    atomic {
        state = TAKEN(1); id = 0; lock = 0;
        do :: deaths > 0 -> deaths-- :: break od;
        run judge();
        run newcomer(0, true);
        k = 1;
        do
        :: k <= NEWCOMERS -> run newcomer(k, false); k++
        :: k > NEWCOMERS && k <= NEWCOMERS + MENDERS -> run mender(k); k++
        :: k > NEWCOMERS + MENDERS && k <= NEWCOMERS + MENDERS + ASKERS -> run asker(k); k++
        :: k > NEWCOMERS + MENDERS + ASKERS -> k = 0; break
        od
    }
}
