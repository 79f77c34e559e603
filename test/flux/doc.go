// Package flux owns the proof that Stacks live together with Flux: with sources whose definitions and statuses are those
// of source-controller, and with applies by the library that kustomize-controller applies with. It is a module of its own
// for the sake of that library's dependencies.
package flux
