/* The newest value (sequentially consistent): writers one after another, of which any may die before any of its stores, and
 * readers that write nothing. With -DKEYS the adding of keys to a table instead: writers that add keys under a lock, and die.
 *
 * A value is two halves, so that a torn one can be told; each value that is begun has an id of its own, because a successor
 * writes the version again at which its predecessor died. One atomic block is one access.
 *
 * Sizes: B slots, WRITERS, WRITES of each, READERS, READS of each, DEATHS. KEYS: WRITERS, DEATHS, ENTRIES.
 */
#ifndef B
#define B 2
#endif
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef WRITES
#define WRITES 3
#endif
#ifndef READERS
#define READERS 1
#endif
#ifndef READS
#define READS 2
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef ENTRIES
#define ENTRIES 3
#endif
#define VERSIONS (WRITERS * WRITES + 1)

byte deaths = DEATHS;
bit gone[WRITERS + 1];                  /* left or dead, as the kernel tells; 0: no writer */
byte over;                              /* writers that are */
#define or_die :: atomic { deaths > 0 -> deaths--; goto died }

#ifndef KEYS

byte version[B], low[B], high[B];       /* of the slots */
byte newest, owner;
byte begun;                             /* ids */
byte set_as[VERSIONS + 1];              /* ghost: the id that a version was set with */
byte writing;                           /* ghost: how many write at once */

#ifdef MUTANT_ONE_SLOT
#define slot_of(v) 0
#else
#define slot_of(v) ((v) % B)
#endif

proctype writer(byte me)
{
    byte v, id, left = WRITES, found;
take:
    atomic { owner == 0 || gone[owner]; found = owner };         /* a tick, and a proof of death */
#ifdef MUTANT_OWNER_BY_STORE
    if :: owner = me or_die fi;
#else
    if
    :: atomic { owner == found -> owner = me }
    :: atomic { owner != found -> found = 0 }
    or_die
    fi;
    if :: found == 0 && owner != me -> goto take :: else fi;
#endif
    atomic { writing++; assert(writing == 1) };
    do
    :: left == 0 -> break
    :: left > 0 ->
       atomic { v = newest + 1; begun++; id = begun };
#ifdef MUTANT_LATEST_FIRST
       if :: atomic { newest = v; set_as[v] = id } or_die fi;
#endif
#ifndef MUTANT_VERSION_LAST
       if :: version[slot_of(v)] = v or_die fi;
#endif
       if :: low[slot_of(v)] = id or_die fi;
       if :: high[slot_of(v)] = id or_die fi;
#ifdef MUTANT_VERSION_LAST
       if :: version[slot_of(v)] = v or_die fi;
#endif
#ifndef MUTANT_LATEST_FIRST
       if :: atomic { newest = v; set_as[v] = id } or_die fi;
#endif
       left--
    od;
died:
    atomic { if :: owner == me -> writing-- :: else fi; gone[me] = 1; over++; v = 0; id = 0; left = 0; found = 0 }
}

proctype reader()
{
    byte v, l, h, last, left = READS;
    do
    :: left == 0 -> break
    :: left > 0 ->
       v = newest;
       if
       :: v == 0 -> left--                                      /* none was set yet */
       :: v != 0 ->
          l = low[slot_of(v)];
          h = high[slot_of(v)];
          atomic {
              if
#ifdef MUTANT_NO_VALIDATION
              :: true ->
#else
              :: version[slot_of(v)] != v                       /* overwritten meanwhile: again */
              :: version[slot_of(v)] == v ->
#endif
                 assert(l == h && l == set_as[v]);              /* whole, and the one that was set */
                 assert(v >= last);
                 last = v; left--
              fi
          }
       fi
    od
}

/* When nothing moves any more. */
proctype judge()
{
    over == WRITERS;
    assert(newest == 0 || (version[slot_of(newest)] == newest && low[slot_of(newest)] == set_as[newest] &&
                           high[slot_of(newest)] == set_as[newest]))
}

init
{
    byte i;
    atomic {
        i = 1;
        do :: i <= WRITERS -> run writer(i); i++ :: else -> break od;
        i = 0;
        do :: i < READERS -> run reader(); i++ :: else -> break od;
        run judge()
    }
}

#else

byte low[ENTRIES], high[ENTRIES];       /* of the keys */
bit has_key[ENTRIES];
byte adding;

/* Every writer adds key 1; writer 2 and the next ones add key 2 as well, the one or the other first. */
inline add(key)
{
#ifndef MUTANT_NO_LOCK
    do
    :: atomic { adding == 0 || gone[adding]; found = adding };
       if
       :: atomic { adding == found -> adding = me; break }
       :: atomic { adding != found }
       or_die
       fi
    od;
#endif
    i = 0;
    do
    :: atomic { i < ENTRIES && has_key[i] && (low[i] != key || high[i] != key) -> i++ }
    :: atomic { i < ENTRIES && has_key[i] && low[i] == key && high[i] == key -> break }
    :: atomic { i < ENTRIES && !has_key[i] };
#ifdef MUTANT_HAS_KEY_FIRST
       if :: has_key[i] = 1 or_die fi;
#endif
       if :: low[i] = key or_die fi;
       if :: high[i] = key or_die fi;
#ifndef MUTANT_HAS_KEY_FIRST
       if :: has_key[i] = 1 or_die fi;
#endif
       break
    od;
#ifndef MUTANT_NO_LOCK
    if :: adding = 0 or_die fi
#endif
}

proctype writer(byte me)
{
    byte i, found;
    if
    :: me > 1 -> add(2)
    :: true
    fi;
    add(1);
died:
    atomic { gone[me] = 1; over++; i = 0; found = 0 }
}

/* A reader that looks at any moment: what has a key has it whole. */
proctype reader()
{
    byte i;
    do
    :: i < ENTRIES ->
       atomic { assert(!has_key[i] || (low[i] == high[i] && low[i] != 0)); i++ }
    :: else -> break
    od
}

proctype judge()
{
    byte i, j;
    over == WRITERS;
    atomic {
        i = 0;
        do
        :: i < ENTRIES ->
           j = i + 1;
           do
           :: j < ENTRIES -> assert(!has_key[i] || !has_key[j] || low[i] != low[j]); j++
           :: else -> break
           od;
           i++
        :: else -> break
        od
    }
}

init
{
    byte k;
    atomic {
        k = 1;
        do :: k <= WRITERS -> run writer(k); k++ :: else -> break od;
        run reader();
        run judge()
    }
}

#endif
