module github.com/gantry-operator/gantry/test/cluster

go 1.26
