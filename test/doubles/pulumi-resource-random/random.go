package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"

	"github.com/gantry-operator/gantry/test/doubles/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	letters      = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	specials     = "!@#$%&*()-_=+[]{}<>:?"
	maxLength    = 1 << 10
	passwordType = "random:index/randomPassword:RandomPassword"
)

// random is the provider.
type random struct {
	provider.Base
}

// Check accepts a resource's inputs as they are.
func (r *random) Check(_ context.Context, request *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: request.GetNews()}, nil
}

// Diff makes every change a replacement: another password.
func (r *random) Diff(_ context.Context, request *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	changed := provider.Changed(provider.Plain(request.GetOldInputs()), provider.Plain(request.GetNews()))
	if len(changed) == 0 {
		return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
	}
	return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_SOME, Diffs: changed, Replaces: changed}, nil
}

// Create makes a password.
func (r *random) Create(_ context.Context, request *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	properties := provider.Plain(request.GetProperties())
	if request.GetType() != passwordType {
		return nil, fmt.Errorf("this stand-in does not know the type %s", request.GetType())
	}
	if request.GetPreview() {
		return &pulumirpc.CreateResponse{Properties: request.GetProperties()}, nil
	}
	result, err := password(properties)
	if err != nil {
		return nil, err
	}
	properties["result"] = provider.Secret(result)
	outputs, err := provider.Properties(properties)
	return &pulumirpc.CreateResponse{Id: "none", Properties: outputs}, err
}

// Read returns what is on record.
func (r *random) Read(_ context.Context, request *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	return &pulumirpc.ReadResponse{Id: request.GetId(), Properties: request.GetProperties(), Inputs: request.GetInputs()}, nil
}

// Delete has nothing to do.
func (r *random) Delete(context.Context, *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// password makes one of the length and the characters that are asked for.
func password(properties map[string]any) (string, error) {
	length, given := properties["length"].(float64)
	if !given || length < 1 || length > maxLength {
		return "", fmt.Errorf("length is %v, want a number from 1 to %d", properties["length"], maxLength)
	}
	alphabet := letters
	if special, given := properties["special"].(bool); !given || special {
		if own := provider.Text(properties, "overrideSpecial"); own != "" {
			alphabet += own
		} else {
			alphabet += specials
		}
	}
	result := make([]byte, int(length))
	for i := range result {
		at, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			return "", fmt.Errorf("a random number: %w", err)
		}
		result[i] = alphabet[at.Int64()]
	}
	return string(result), nil
}
