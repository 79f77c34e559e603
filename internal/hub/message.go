package hub

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/gantry-operator/gantry/internal/operation"
)

func welcomeMessage() *operation.HubMessage {
	return &operation.HubMessage{Body: &operation.HubMessage_Welcome{Welcome: &operation.Welcome{Protocol: operation.Protocol}}}
}

func offerMessage(op *operation.Operation) *operation.HubMessage {
	return &operation.HubMessage{Body: &operation.HubMessage_Operation{Operation: op}}
}

func cancelMessage(uid types.UID, reason string) *operation.HubMessage {
	return &operation.HubMessage{Body: &operation.HubMessage_Cancel{Cancel: &operation.Cancel{Uid: string(uid), Reason: reason}}}
}

func recordedMessage(uid types.UID) *operation.HubMessage {
	return &operation.HubMessage{Body: &operation.HubMessage_Recorded{Recorded: &operation.Recorded{Uid: string(uid)}}}
}

func snapshotKeptMessage(kept *operation.SnapshotKept) *operation.HubMessage {
	return &operation.HubMessage{Body: &operation.HubMessage_SnapshotKept{SnapshotKept: kept}}
}
