package main

import (
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		ctx.Export("greeting", pulumi.String("hello from "+ctx.Stack()))
		ctx.Export("shout", pulumi.String(strings.ToUpper(ctx.Project())))
		return nil
	})
}
