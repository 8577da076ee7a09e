// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Da} from "./Da.sol";
import {assertEq, assertTrue, vm} from "./Vm.sol";

/// The thin path: stake, register, snapshot, seed, reveal, quorum, certificate.
contract DaPathTest is Da {
    function test_a_batch_goes_from_stake_to_certificate() public {
        openEpoch(1);
        (uint256 weight, uint256 count,, bool isOpen) = registry.quorumOf(1, 0);
        assertEq(weight, 3000, "weight");
        assertEq(count, 7, "members");
        assertTrue(isOpen, "open");
        Sealed memory batch = sealBatch(1, 1, none());
        bytes memory query = lookup(batch.certificate.batch, batch.headers[0], 0, new bytes32[](0));
        assertEq(entrance.checkCertificate(query), 2, "undecided");
        confirm(batch);
        vm.snapshotGasLastCall("DA", "confirm first, 1 blob, 0 absentees");
        assertEq(entrance.checkCertificate(query), 1, "confirmed");
        assertTrue(entrance.commitmentExists(batch.headers[0].commitment, 1, 0), "0G's read");

        batch = sealBatch(1, 2, none());
        vm.cool(address(entrance));
        vm.cool(address(registry));
        confirm(batch);
        vm.snapshotGasLastCall("DA", "confirm steady, 1 blob, 0 absentees");
        uint16[] memory absentees = two(4, 6);
        batch = sealBatch(1, 3, absentees);
        confirm(batch);
        batch = sealBatch(1, 4, absentees);
        vm.cool(address(entrance));
        vm.cool(address(registry));
        confirm(batch);
        vm.snapshotGasLastCall("DA", "confirm steady, 1 blob, 2 absentees");
    }
}
