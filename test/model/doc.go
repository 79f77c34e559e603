// Package model owns the simulated world in which histories that nobody thought of are played: the real controllers, with
// their real watches, and the real hub, against an API server, caches, agents, nodes and a garbage collector of the
// model's own, in the time of a testing/synctest bubble. After each event of a history it checks what must always hold.
package model
