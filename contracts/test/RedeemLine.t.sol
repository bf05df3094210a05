// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {RedeemLine} from "../src/vault/RedeemLine.sol";

/// @notice The line against a plain list that is served share by share.
contract RedeemLineTest is Test {
    using RedeemLine for RedeemLine.Line;

    uint256 private constant PEOPLE = 5;

    struct Plain {
        uint256 who;
        uint256 shares;
    }

    RedeemLine.Line private line;
    Plain[] private queue;
    mapping(uint256 who => uint256) private served;

    function _person(uint256 who) private pure returns (address) {
        return address(uint160(0x100 + who % PEOPLE));
    }

    /// @dev Any order of requests, services and looks: each has what the list says, and the sums are exact.
    function testFuzz_theLineIsAQueue(uint256 seed) public {
        line.begin();
        uint256 requested;
        uint256 mark;
        uint256 paid;
        uint256 head;
        for (uint256 i = 0; i < 40; i++) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 who = seed % PEOPLE;
            uint256 amount = 1 + (seed >> 16) % 1e20;
            if ((seed >> 8) % 3 == 0) {
                line.join(_person(who), amount);
                queue.push(Plain(who, amount));
                requested += amount;
            } else if ((seed >> 8) % 3 == 1 && mark < requested) {
                amount = 1 + amount % (requested - mark);
                uint256 assets = (seed >> 96) % 1e21;
                line.serve(amount, assets);
                (mark, paid) = (mark + amount, paid + assets);
                while (amount != 0) {
                    uint256 part = amount < queue[head].shares ? amount : queue[head].shares;
                    served[queue[head].who] += part;
                    queue[head].shares -= part;
                    amount -= part;
                    if (queue[head].shares == 0) head++;
                }
            } else {
                line.settle(_person(who));
            }
        }
        assertEq(line.length(), requested);
        assertEq(line.served(), mark);
        uint256 sum;
        uint256 waits;
        for (uint256 who = 0; who < PEOPLE; who++) {
            (uint256 waiting, uint256 shares, uint256 assets) = line.standing(_person(who));
            assertEq(shares, served[who]);
            RedeemLine.Account storage account = line.settle(_person(who));
            assertEq(account.shares, shares, "seen and settled alike");
            assertEq(account.assets, assets);
            (sum, waits) = (sum + assets, waits + waiting);
        }
        assertEq(sum, paid, "to the wei");
        assertEq(waits, requested - mark);
    }

    function testFuzz_whatWasPaidGrowsAlongTheLine(uint128 a, uint128 b, uint128 c, uint256 place) public {
        line.begin();
        line.serve(uint256(a) + 1, b);
        line.serve(uint256(b) + 1, c);
        place = bound(place, 0, line.served() - 1);
        assertLe(line.paidUpTo(place), line.paidUpTo(place + 1));
        assertEq(line.paidUpTo(0), 0);
        assertEq(line.paidUpTo(uint256(a) + 1), b);
        assertEq(line.paidUpTo(line.served()), uint256(b) + c);
    }

    function test_theLineKnowsItsLengthOfOldTimes() public {
        line.begin();
        vm.warp(1_000);
        line.join(_person(0), 7);
        vm.warp(2_000);
        line.join(_person(1), 5);
        line.join(_person(1), 1);
        assertEq(line.lengthAt(999), 0);
        assertEq(line.lengthAt(1_000), 7);
        assertEq(line.lengthAt(1_999), 7);
        assertEq(line.lengthAt(2_000), 13);
        assertEq(line.open(_person(1)), 2);
    }
}
