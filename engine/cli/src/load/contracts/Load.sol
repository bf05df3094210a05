// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

interface IMintable {
    function mint(address to, uint256 amount) external;
}

/// @title LoadFunder
/// @notice What `horae load` pays its accounts with: many in one transaction. Keeps nothing.
contract LoadFunder {
    error Unpaid(address account);

    /// @notice Pays each item: the amount in the upper 96 bits, the account in the lower 160. What is left goes back.
    function pay(uint256[] calldata items) external payable {
        for (uint256 i = 0; i < items.length; ++i) {
            address to = address(uint160(items[i]));
            (bool paid,) = to.call{value: items[i] >> 160}("");
            require(paid, Unpaid(to));
        }
        if (address(this).balance > 0) {
            (bool returned,) = msg.sender.call{value: address(this).balance}("");
            require(returned, Unpaid(msg.sender));
        }
    }

    /// @notice Mints `amount` of a token that lets anybody do so to each account.
    function mint(IMintable token, uint256 amount, address[] calldata accounts) external {
        for (uint256 i = 0; i < accounts.length; ++i) {
            token.mint(accounts[i], amount);
        }
    }
}

/// @title LoadMarket
/// @notice The contract that `horae load` calls: a constant-product market between two units that it makes up. Every call
/// writes the one slot of the reserves, which all callers share, and two slots of its caller, and emits an event.
contract LoadMarket {
    uint128 public reserve0 = 1e27;
    uint128 public reserve1 = 1e27;
    mapping(address owner => int256) public held0;
    mapping(address owner => int256) public held1;

    event Swapped(address indexed owner, uint256 given, uint256 taken, bool forward);

    /// @notice Gives `given` of one unit and takes what the reserves make of it, less 0.3 %. Anyone may owe any amount.
    function swap(uint256 given, bool forward) external returns (uint256 taken) {
        require(given > 0 && given <= 1e18, "given: 1 to 1e18");
        (uint256 from, uint256 to) = forward ? (reserve0, reserve1) : (reserve1, reserve0);
        uint256 worth = given * 997;
        taken = worth * to / (from * 1000 + worth);
        (from, to) = (from + given, to - taken);
        (reserve0, reserve1) = forward ? (uint128(from), uint128(to)) : (uint128(to), uint128(from));
        (int256 more, int256 less) = (int256(taken), int256(given));
        held0[msg.sender] += forward ? -less : more;
        held1[msg.sender] += forward ? more : -less;
        emit Swapped(msg.sender, given, taken, forward);
    }
}
