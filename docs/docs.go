// Package docs holds what is written for people, and the checks that it keeps up with the code.
package docs

import _ "embed" // the runbook is a part of the plugin

// Runbook is runbook.md.
//
//go:embed runbook.md
var Runbook string
