package engine

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// describe says in words what a step does, such as "creating kubernetes:core/v1:Namespace demo".
func describe(step apitype.StepEventMetadata) string {
	return verb(step.Op) + " " + step.Type + " " + ResourceName(step.URN)
}

// ResourceName is the last part of a URN.
func ResourceName(urn string) string {
	if i := strings.LastIndex(urn, "::"); i >= 0 {
		return urn[i+2:]
	}
	return urn
}

// verb names what the engine is doing.
func verb(op apitype.OpType) string {
	switch op {
	case apitype.OpCreate:
		return "creating"
	case apitype.OpUpdate:
		return "updating"
	case apitype.OpDelete, apitype.OpReadDiscard, apitype.OpDiscardReplaced:
		return "deleting"
	case apitype.OpReplace:
		return "replacing"
	case apitype.OpCreateReplacement, apitype.OpReadReplacement, apitype.OpImportReplacement:
		return "creating the replacement of"
	case apitype.OpDeleteReplaced, apitype.OpRemovePendingReplace:
		return "deleting the replaced"
	case apitype.OpRead:
		return "reading"
	case apitype.OpRefresh:
		return "refreshing"
	case apitype.OpImport:
		return "importing"
	default:
		return string(op)
	}
}

// plain is a message without the engine's colour marks and without white space around it.
func plain(message string) string {
	return strings.TrimSpace(colour.ReplaceAllString(message, ""))
}

// cut is the beginning of a message that is too long to be kept.
func cut(message string) string {
	if len(message) <= maxError {
		return message
	}
	return strings.ToValidUTF8(message[:maxError], "")
}

func count(n int) string { return strconv.Itoa(n) }

// colour is the engine's way to write colours into text.
var colour = regexp.MustCompile(`<\{%[^%]*%\}>`)
