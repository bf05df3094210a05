// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {FeePot} from "../src/l2/FeePot.sol";
import {Predeploy} from "../src/l2/Predeploy.sol";

/// @notice Refuses every payment.
contract Refuser {
    error No();

    receive() external payable {
        revert No();
    }
}

/// @notice Burns all gas that it is given.
contract Burner {
    receive() external payable {
        while (true) {}
    }
}

/// @notice Returns as much as its gas allows.
contract Chatterer {
    fallback() external payable {
        assembly {
            return(0, 60000)
        }
    }
}

/// @notice Whoever carries is paid, and nobody else.
contract FeePotTest is Test {
    /// @dev The gas limit of the protocol's transactions less what the call costs before it runs.
    uint256 private constant GAS = 200_000;

    FeePot private pot;
    address private system;
    address private carrier = address(0xCA);

    function setUp() public {
        pot = new FeePot();
        system = pot.SYSTEM();
        vm.deal(address(pot), 5 ether);
    }

    function pay(address to) private {
        vm.prank(system);
        pot.pay{gas: GAS}(to);
    }

    function test_The_carrier_of_a_batch_gets_all_that_is_there() public {
        vm.expectEmit();
        emit FeePot.Paid(carrier, 5 ether);
        pay(carrier);
        assertEq(carrier.balance, 5 ether);
        assertEq(address(pot).balance, 0);
    }

    function test_With_nothing_there_nothing_is_paid() public {
        pay(carrier);
        vm.expectEmit();
        emit FeePot.Paid(carrier, 0);
        pay(carrier);
        assertEq(carrier.balance, 5 ether);
    }

    function test_What_a_carrier_does_not_take_stays_for_the_next() public {
        address refuser = address(new Refuser());
        vm.expectEmit();
        emit FeePot.Kept(refuser, 5 ether);
        pay(refuser);
        assertEq(address(pot).balance, 5 ether);
        pay(carrier);
        assertEq(carrier.balance, 5 ether);
    }

    function test_A_carrier_that_burns_gas_or_returns_much_does_not_make_it_fail() public {
        pay(address(new Burner()));
        assertEq(address(pot).balance, 5 ether);
        pay(address(new Chatterer()));
        assertLe(address(pot).balance, 5 ether);
    }

    function test_It_takes_gifts() public {
        vm.deal(address(this), 1 ether);
        (bool taken,) = address(pot).call{value: 1 ether}("");
        assertTrue(taken);
        assertEq(address(pot).balance, 6 ether);
    }

    function test_Nobody_but_the_protocol_has_it_pay(address caller) public {
        vm.assume(caller != system);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(Predeploy.NotSystem.selector, caller));
        pot.pay(caller);
    }
}
